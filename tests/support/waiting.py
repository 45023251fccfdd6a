"""Wait for a condition."""

import random
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], *, within_seconds: float = 300, poll_seconds: float = 0.02) -> None:
    """Wait until the condition is true. Fail after ``within_seconds``; the default is long even for a busy machine."""
    deadline_seconds = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline_seconds, f"the condition did not become true within {within_seconds:g} s"
        time.sleep(poll_seconds * random.uniform(0.5, 1.5))
