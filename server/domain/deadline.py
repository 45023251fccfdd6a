"""How long a caller waits."""

import math
import time
from typing import Self

from server.domain.errors import DeadlinePassed
from server.domain.value import value


@value()
class Deadline:
    """When a caller stops waiting, on the monotonic clock in seconds; None means never."""

    at_seconds: float | None = None

    @classmethod
    def after(cls, seconds: float | None) -> Self:
        """Return the deadline ``seconds`` from now; None means never."""
        return cls(None if seconds is None else time.monotonic() + seconds)

    def check(self) -> None:
        """Check that there is time left.

        Raises:
            DeadlinePassed: there is none.
        """
        if self.seconds_left() <= 0:
            raise deadline_passed()

    def remaining_seconds(self, at_most: float) -> float:
        """Return how long there is still to wait, in seconds, and not more than ``at_most``.

        Raises:
            DeadlinePassed: there is nothing left.
        """
        remaining = self.seconds_left()
        if remaining <= 0:
            raise deadline_passed()
        return min(remaining, at_most)

    def seconds_left(self) -> float:
        """Return how long there is still to wait, in seconds: infinite when there is no deadline, negative after it."""
        return math.inf if self.at_seconds is None else self.at_seconds - time.monotonic()


def deadline_passed() -> DeadlinePassed:
    """Return the error that says so, of a call that was not begun."""
    return DeadlinePassed("the deadline passed before the call was begun; nothing was done")
