"""A table of consecutive numbers, in SQL that both MySQL and MariaDB execute."""

_BLOCK = 1_000
"""The numbers are made from two short lists, because a JSON array of millions of elements takes gigabytes of memory."""


def number_table(count: int) -> str:
    """Return a derived table for FROM, with the numbers from 1 to ``count`` in the column ``k``, in this order."""
    blocks = -(-count // _BLOCK)
    lists = f"{_json_table(blocks)} block JOIN {_json_table(_BLOCK)} within"
    number = f"(block.k - 1) * {_BLOCK} + within.k"
    return f"(SELECT {number} AS k FROM {lists} ORDER BY k LIMIT {count}) numbers"  # noqa: S608 - only numbers


def _json_table(count: int) -> str:
    return f"JSON_TABLE(CONCAT('[0', REPEAT(',0', {count - 1}), ']'), '$[*]' COLUMNS (k FOR ORDINALITY))"
