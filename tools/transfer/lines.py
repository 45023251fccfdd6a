"""The lines of a file that is loaded, and their outcomes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tools.transfer.records import Problem, Row


class Outcome(StrEnum):
    """The outcome of a line that was not rejected. KEPT: its payment has been refunded since, and stays as it is."""

    INSERTED = "inserted"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT = "kept"


@dataclass(slots=True)
class Line:
    """A good line: its number, its fields as they stand, and the row that it is."""

    number: int
    fields: Sequence[str]
    row: Row


@dataclass(slots=True)
class BatchResult:
    """The outcome of a batch: how many lines had each outcome, and the rejected ones.

    ``overwritten`` are the updated payments that were refunded, which only ``--overwrite`` updates.
    """

    counts: Counter[Outcome] = field(default_factory=Counter)
    overwritten: int = 0
    rejects: list[tuple[Line, tuple[Problem, ...]]] = field(default_factory=list)

    def reject(self, line: Line, column: str, reason: str) -> None:
        """Add a line that is rejected for one field."""
        self.rejects.append((line, ((column, reason),)))

    def add(self, other: "BatchResult") -> None:
        """Add the result of further lines."""
        self.counts += other.counts
        self.overwritten += other.overwritten
        self.rejects += other.rejects


class TableLoader(Protocol):
    """Loads lines into a table, a batch at a time, in their order."""

    def prepare(self, lines: Sequence[Line]) -> str | None:
        """Return the statement that loads a batch, if it can be built while another thread loads the one before."""

    def load(self, lines: Sequence[Line], prepared: str | None) -> BatchResult:
        """Load a batch: all of it, in one transaction, or in several where the database refuses lines of it."""


class IdSet:
    """A set of ids which are dense, as AUTO_INCREMENT makes them: about a bit for each."""

    _PAGE_BITS = 13

    def __init__(self) -> None:
        """Begin empty."""
        self._pages: dict[int, bytearray] = {}

    def __contains__(self, number: int) -> bool:
        """Whether it has been added."""
        page = self._pages.get(number >> self._PAGE_BITS)
        place = number & ((1 << self._PAGE_BITS) - 1)
        return page is not None and bool(page[place >> 3] & (1 << (place & 7)))

    def update(self, numbers: Iterable[int]) -> None:
        """Add numbers."""
        for number in numbers:
            page = self._pages.setdefault(number >> self._PAGE_BITS, bytearray(1 << (self._PAGE_BITS - 3)))
            place = number & ((1 << self._PAGE_BITS) - 1)
            page[place >> 3] |= 1 << (place & 7)
