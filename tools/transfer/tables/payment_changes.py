"""Rules for what an import may change in a stored payment.

A payment made by this service, which has a caller and a request_id, never changes. In an adopted or imported payment,
the columns that identify it never change: a row that matches one of its keys and differs in another of these columns
belongs to some other payment. The columns that describe what happened to it can be corrected.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from server.domain.errors import InvalidValue
from server.domain.money import Money
from tools.transfer.files.records import Problem, Row
from tools.transfer.tables.batch_payments import BatchPayment

CHANGEABLE_COLUMNS = ("method", "status", "created_at", "refunded", "refunded_amount", "requested_method")
"""The columns that an import may change in adopted and imported payments. All other columns identify a payment."""

_Compare = Callable[[Any, Any], bool]

_IS_EARLIER: Mapping[str, _Compare] = {
    "status": lambda value, _: value is None,
    "refunded": lambda value, _: value == 0,
    "refunded_amount": lambda value, stored: value < stored,
}
"""For each column, whether the row's value is from before the outcome or a refund of the stored payment."""


def changed_columns(row: Row, payment: BatchPayment, columns: Sequence[str]) -> list[str]:
    """Return the columns in which the row and the payment differ."""
    stored = payment.row
    differing = [column for column in columns if row[column] != stored[column]]
    return [column for column in differing if not _is_equivalent(column, row[column], stored[column])]


def is_kept(row: Row, payment: BatchPayment, changed: Sequence[str], *, overwrite: bool) -> bool:
    """Return whether to skip a differing row, because it dates from before the payment's outcome or refund."""
    if payment.has_caller:
        return all(
            column in _IS_EARLIER and _IS_EARLIER[column](row[column], payment.row[column]) for column in changed
        )
    return payment.is_refunded and not overwrite and set(changed) <= set(CHANGEABLE_COLUMNS)


def forbidden_change(
    row: Row, payment: BatchPayment, changed: Sequence[str], refunds: Decimal | None
) -> Problem | None:
    """Return a problem if the payment must not get the values of the row.

    ``refunds`` is the sum of its stored refunds, or None if there are none.
    """
    identity = next((column for column in changed if column not in CHANGEABLE_COLUMNS), None)
    if identity == "payment_id":
        return identity, f"payment {payment.name} has this reference"
    if payment.has_caller:
        return changed[0], f"payment {payment.name} was made by this service, and an import never changes it"
    if identity is not None:
        value = _as_text(payment.row[identity])
        return identity, f"payment {payment.name} has {value} here, which an import never changes"
    return _inconsistency(payment.row | {column: row[column] for column in changed}, changed, refunds)


def refunded_amount_of(row: Row) -> Decimal:
    """Return the refunded amount of a payment: all of it if it has the legacy service's refunded flag."""
    return (row["amount"] or Decimal()) if row["refunded"] else row["refunded_amount"]


def _is_equivalent(column: str, value: Any, stored: Any) -> bool:  # noqa: ANN401 - values of any column
    """Whether a differing value is equivalent to the stored one: a missing id, or a reference without its outer spaces.

    Only an exported file keeps the spaces at the ends of a reference.
    """
    if column == "payment_id":
        return value is None
    if column == "reference" and value is not None and stored is not None:
        return bool(value == stored.strip())
    return False


def _inconsistency(row: Row, changed: Sequence[str], refunds: Decimal | None) -> Problem | None:
    """Return a problem if the values of a payment contradict each other or its refunds."""
    amount, refunded_amount = row["amount"] or Decimal(), row["refunded_amount"]
    try:
        Money.from_amount(row["currency"], amount)
    except InvalidValue as error:
        return "amount", error.description
    if refunded_amount > amount:
        return "refunded_amount", f"must be at most {amount}, the payment's amount"
    if "refunded" in changed and not row["refunded"] and 0 < amount == refunded_amount:
        return "refunded", "must be 1, because the whole amount was refunded"
    if refunds is not None and row["status"] != 1:
        return "status", f"must be SUCCESS, because {refunds} was refunded"
    if refunds is not None and refunds > refunded_amount_of(row):
        return "refunded", f"{refunds} was refunded, which is more than this allows"
    return None


def _as_text(value: object) -> str:
    match value:
        case None:
            return "none"
        case bytes():
            return value.decode(errors="replace")
    return str(value)
