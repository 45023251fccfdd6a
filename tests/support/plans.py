"""The plans of statements, as databases explain them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support import tidb

EXPLAIN = "EXPLAIN FORMAT = 'brief'" if tidb.IS_SELECTED else "EXPLAIN FORMAT = TRADITIONAL"


@dataclass(frozen=True)
class PlanStep:
    """How a statement reads one table."""

    part: str
    """The kind of SELECT, such as DERIVED; empty on TiDB."""

    access: str | None
    """The access type: ALL reads the whole table, and index a whole index."""

    index: str | None
    notes: frozenset[str]


def plan_steps(rows: Iterable[Mapping[str, Any]]) -> list[PlanStep]:
    """Return the plan in the rows of EXPLAIN."""
    if tidb.IS_SELECTED:
        return _tidb_steps(list(rows))
    return [
        PlanStep(row["select_type"], row["type"], row["key"], frozenset((row["Extra"] or "").split("; ")))
        for row in rows
    ]


def _tidb_steps(rows: list[Mapping[str, Any]]) -> list[PlanStep]:
    """Translate TiDB's plan, a tree of operators. A scan of an index is a step, but not the reads of its rows."""
    operators = [row["id"].lstrip("│├└─ ") for row in rows]
    notes = set()
    if any(operator.startswith(("Sort", "TopN")) for operator in operators):
        notes.add("Using filesort")
    if not any(operator.startswith("TableRowIDScan") for operator in operators):
        notes.add("Using index")
    steps = []
    for operator, row in zip(operators, rows, strict=True):
        if operator.startswith(("IndexRangeScan", "IndexFullScan")):
            index = row["access object"].partition("index:")[2].partition("(")[0]
            steps.append(PlanStep("", "index" if "Full" in operator else "range", index, frozenset(notes)))
        elif operator.startswith("TableFullScan"):
            steps.append(PlanStep("", "ALL", None, frozenset(notes)))
    return steps
