"""Wait for what happens soon."""

import random
import time
from collections.abc import Callable


def wait_until(happened: Callable[[], bool], *, within_seconds: float = 300, poll_seconds: float = 0.02) -> None:
    """Return once it happened; fail if it does not within that time, which is long even for a busy machine."""
    deadline_seconds = time.monotonic() + within_seconds
    while not happened():
        assert time.monotonic() < deadline_seconds, f"it did not happen within {within_seconds:g} s"
        time.sleep(poll_seconds * random.uniform(0.5, 1.5))
