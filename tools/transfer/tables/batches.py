"""Batches of lines, and their outcomes."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tools.transfer.files.records import Problem, Row
from tools.transfer.tables.transactions import RowsRefused


class Outcome(StrEnum):
    """The outcome of a line that was not rejected. KEPT: its payment has been refunded since, and stays as it is."""

    INSERTED = "inserted"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT = "kept"


@dataclass(slots=True)
class Line:
    """A valid line: its number, its fields as text, and the row that they make."""

    number: int
    fields: Sequence[str]
    row: Row


@dataclass(slots=True)
class BatchResult:
    """The outcome of a batch: how many lines had each outcome, and the rejected ones.

    ``overwritten`` are the updated payments that were refunded, which only ``--overwrite`` updates. ``payment_ids`` are
    the loaded payments.
    """

    counts: Counter[Outcome] = field(default_factory=Counter)
    overwritten: int = 0
    payment_ids: list[int] = field(default_factory=list)
    rejects: list[tuple[Line, tuple[Problem, ...]]] = field(default_factory=list)

    def reject(self, line: Line, column: str, reason: str) -> None:
        """Add a line that is rejected for one field."""
        self.rejects.append((line, ((column, reason),)))

    def add(self, other: "BatchResult") -> None:
        """Add the result of further lines."""
        self.counts += other.counts
        self.overwritten += other.overwritten
        self.payment_ids += other.payment_ids
        self.rejects += other.rejects


def merge_or_halve(
    lines: Sequence[Line], merge: Callable[[Sequence[Line]], BatchResult], id_column: str
) -> BatchResult:
    """Merge a batch. If the database refuses it, merge its halves, until each refused line is alone and rejected.

    A key that another session inserted after the look-up is refused, and found by the look-up of the halves.
    """
    try:
        return merge(lines)
    except RowsRefused as error:
        result = BatchResult()
        if len(lines) == 1:
            result.reject(lines[0], id_column, str(error))
            return result
    middle = len(lines) // 2
    for half in (lines[:middle], lines[middle:]):
        result.add(merge_or_halve(half, merge, id_column))
    return result


class TableLoader(Protocol):
    """Loads lines into a table, a batch at a time, in their order."""

    def prepare(self, lines: Sequence[Line]) -> str | None:
        """Return the statement that loads a batch, if it can be built while another thread loads the one before."""

    def load(self, lines: Sequence[Line], prepared: str | None) -> BatchResult:
        """Load a batch: all of it, in one transaction, or in several where the database refuses lines of it."""
