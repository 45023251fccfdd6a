"""A cache by identity, for arguments that are expensive to hash."""

from collections.abc import Callable
from typing import Generic, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class IdentityCache(Generic[Argument, Result]):
    """Remembers the results of a function for at least the last ``size`` objects that it was called with.

    The objects must not change. Each stays alive while its result is remembered, so its identity is not reused. Results
    are in two generations, the younger of which replaces the older one when it is full. So nothing is iterated, and
    several threads may use the cache.
    """

    def __init__(self, function: Callable[[Argument], Result], size: int) -> None:
        """Remember results of ``function``: at most twice ``size``."""
        self._function = function
        self._size = size
        self._younger: dict[int, tuple[Argument, Result]] = {}
        self._older: dict[int, tuple[Argument, Result]] = {}

    def __call__(self, argument: Argument) -> Result:
        """Return the result for ``argument``."""
        entry = self._younger.get(id(argument))
        if entry is None:
            entry = self._older.get(id(argument)) or (argument, self._function(argument))
            if len(self._younger) >= self._size:
                self._older, self._younger = self._younger, {}
            self._younger[id(argument)] = entry
        return entry[1]
