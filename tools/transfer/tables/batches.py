"""Batches of lines and their outcomes."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tools.transfer.files.records import Problem, Row
from tools.transfer.tables.transactions import RowsRejected


class Outcome(StrEnum):
    """The outcome of an accepted line. KEPT: it is older than the payment's outcome or refund, and changed nothing."""

    INSERTED = "inserted"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT = "kept"


@dataclass(slots=True)
class Line:
    """A valid line: its number, its fields as text, and the row made from them."""

    number: int
    fields: Sequence[str]
    row: Row


@dataclass(slots=True)
class BatchResult:
    """The result of a batch: the number of lines with each outcome, and the rejected lines.

    ``overwritten`` is the number of updated payments that had been refunded, which only ``--overwrite`` updates.
    ``payment_ids`` are the ids of the loaded payments.
    """

    counts: Counter[Outcome] = field(default_factory=Counter)
    overwritten: int = 0
    payment_ids: list[int] = field(default_factory=list)
    rejects: list[tuple[Line, tuple[Problem, ...]]] = field(default_factory=list)

    def reject(self, line: Line, column: str, reason: str) -> None:
        """Add a line that is rejected because of one field."""
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
    """Merge a batch. If the database rejects it, merge its halves recursively, until only invalid lines are rejected.

    If another session inserts a key of the batch after it was looked up, the database rejects the batch, and the merge
    of the halves finds the key when it looks it up again.
    """
    try:
        return merge(lines)
    except RowsRejected as error:
        result = BatchResult()
        if len(lines) == 1:
            result.reject(lines[0], id_column, str(error))
            return result
    middle = len(lines) // 2
    for half in (lines[:middle], lines[middle:]):
        result.add(merge_or_halve(half, merge, id_column))
    return result


class TableLoader(Protocol):
    """Loads lines into a table in order, a batch at a time."""

    def prepare(self, lines: Sequence[Line]) -> str | None:
        """Return the statement that loads a batch, if it can be built while another thread loads the previous batch."""

    def load(self, lines: Sequence[Line], prepared: str | None) -> BatchResult:
        """Load a batch in one transaction, or in several if the database rejects some of its lines."""
