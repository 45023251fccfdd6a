"""Deadlines of calls."""

import math
import time
from typing import Self

from server.domain.errors import DeadlinePassed
from server.domain.value import value


@value()
class Deadline:
    """The time at which a caller stops waiting, in seconds on the monotonic clock; None means never."""

    at_seconds: float | None = None

    @classmethod
    def after(cls, seconds: float | None) -> Self:
        """Return the deadline ``seconds`` from now; None means never."""
        return cls(None if seconds is None else time.monotonic() + seconds)

    def check(self) -> None:
        """Check that the deadline has not passed.

        Raises:
            DeadlinePassed: it has.
        """
        if self.seconds_left() <= 0:
            raise deadline_passed()

    def seconds_left_or_raise(self, at_most: float) -> float:
        """Return the time left, in seconds, but at most ``at_most``.

        Raises:
            DeadlinePassed: no time is left.
        """
        remaining = self.seconds_left()
        if remaining <= 0:
            raise deadline_passed()
        return min(remaining, at_most)

    def seconds_left(self) -> float:
        """Return the time left, in seconds: infinity without a deadline, negative once the deadline has passed."""
        return math.inf if self.at_seconds is None else self.at_seconds - time.monotonic()


def deadline_passed() -> DeadlinePassed:
    """Return the error for a call whose deadline passed before its work began."""
    return DeadlinePassed("the deadline passed before the call began; nothing was done")
