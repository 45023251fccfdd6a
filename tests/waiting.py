"""Wait for what happens soon."""

import time
from collections.abc import Callable

_POLL_SECONDS = 0.02


def wait_until(happened: Callable[[], bool], *, within_seconds: float = 20) -> None:
    """Return once it happened; fail if it does not within that time."""
    deadline_seconds = time.monotonic() + within_seconds
    while not happened():
        assert time.monotonic() < deadline_seconds, f"it did not happen within {within_seconds:g} s"
        time.sleep(_POLL_SECONDS)
