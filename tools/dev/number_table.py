"""A table of consecutive numbers, in SQL that every supported database executes."""

_DIGITS = 10


def number_table(count: int) -> str:
    """Return a derived table for FROM, with the numbers from 1 to ``count`` in the column ``k``, in this order."""
    places = len(str(count - 1))
    # The first digit is limited, so that few more rows are made than are needed.
    first_digits = (count - 1) // _DIGITS ** (places - 1) + 1
    tables = [_digits(f"d{place}", _DIGITS if place < places - 1 else first_digits) for place in range(places)]
    number = " + ".join(f"{_DIGITS**place} * d{place}.k" for place in range(places))
    return f"(SELECT {number} + 1 AS k FROM {' JOIN '.join(tables)} ORDER BY k LIMIT {count}) numbers"  # noqa: S608 - only numbers


def _digits(name: str, count: int) -> str:
    return f"(SELECT 0 AS k{''.join(f' UNION ALL SELECT {digit}' for digit in range(1, count))}) {name}"
