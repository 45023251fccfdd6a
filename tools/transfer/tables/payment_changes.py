"""What an import may change of a stored payment, and why it rejects a row.

A payment that this service made, which has a caller and a request_id, never changes. Of an adopted or imported one,
what identifies it never changes: a row that agrees on one key and disagrees on another value of these belongs to some
other payment. What happened to it may be corrected.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from server.domain.errors import InvalidValue
from server.domain.money import Money
from tools.transfer.files.records import Problem, Row
from tools.transfer.tables.archived_keys import reference_key
from tools.transfer.tables.batch_payments import BatchPayment

CHANGEABLE_COLUMNS = ("method", "status", "created_at", "refunded", "refunded_amount", "requested_method")
"""Of adopted and imported payments; all other columns identify a payment."""

_Compare = Callable[[Any, Any], bool]

_IS_EARLIER: Mapping[str, _Compare] = {
    "status": lambda value, _: value is None,
    "refunded": lambda value, _: value == 0,
    "refunded_amount": lambda value, stored: value < stored,
}
"""Whether a row's value is one that a payment had before its stored one: before its outcome, or before a refund."""


def changed_columns(row: Row, payment: BatchPayment, columns: Sequence[str]) -> list[str]:
    """Return the columns in which the row has another value than the payment."""
    stored = payment.row
    differing = [column for column in columns if row[column] != stored[column]]
    return [column for column in differing if not _means_same(column, row[column], stored[column])]


def is_kept(row: Row, payment: BatchPayment, changed: Sequence[str], *, overwrite: bool) -> bool:
    """Tell whether a row that differs is passed over, because the payment was refunded after the file was written."""
    if payment.is_of_service:
        return all(
            column in _IS_EARLIER and _IS_EARLIER[column](row[column], payment.row[column]) for column in changed
        )
    return payment.is_refunded and not overwrite and set(changed) <= set(CHANGEABLE_COLUMNS)


def forbidden_change(
    row: Row, payment: BatchPayment, changed: Sequence[str], refunds: Decimal | None
) -> Problem | None:
    """Return the field, and why, if the payment may not become what the row says.

    ``refunds`` is the sum of its stored refunds, None if it has none.
    """
    identity = next((column for column in changed if column not in CHANGEABLE_COLUMNS), None)
    if identity == "payment_id":
        return identity, f"payment {payment.name} has this reference"
    if payment.is_of_service:
        return changed[0], f"this service made payment {payment.name}, and an import never changes it"
    if identity is not None:
        shown = _shown(payment.row[identity])
        return identity, f"payment {payment.name} has {shown} here, which an import never changes"
    return _inconsistency(payment.row | {column: row[column] for column in changed}, changed, refunds)


def refunded_of(row: Row) -> Decimal:
    """Return how much of a payment was refunded: all of it where only the flag of the replaced service says so."""
    return (row["amount"] or Decimal()) if row["refunded"] else row["refunded_amount"]


def _means_same(column: str, value: Any, stored: Any) -> bool:  # noqa: ANN401 - values of any column
    """Whether a differing value means the stored one: no id at all, or a reference with trailing spaces."""
    if column == "payment_id":
        return value is None
    if column == "reference" and value is not None and stored is not None:
        return reference_key(value) == reference_key(stored)
    return False


def _inconsistency(row: Row, changed: Sequence[str], refunds: Decimal | None) -> Problem | None:
    """Return the field, and why, if the values of a payment contradict one another or its refunds."""
    amount, refunded_amount = row["amount"] or Decimal(), row["refunded_amount"]
    try:
        Money.from_amount(row["currency"], amount)
    except InvalidValue as error:
        return "amount", error.description
    if refunded_amount > amount:
        return "refunded_amount", f"must be at most {amount}, the payment's amount"
    if "refunded" in changed and not row["refunded"] and 0 < amount == refunded_amount:
        return "refunded", "must be 1, as the whole amount was refunded"
    if refunds is not None and row["status"] != 1:
        return "status", f"must be SUCCESS, as {refunds} was refunded"
    if refunds is not None and refunds > refunded_of(row):
        return "refunded", f"{refunds} was refunded, which is more than this allows"
    return None


def _shown(value: object) -> str:
    match value:
        case None:
            return "none"
        case bytes():
            return value.decode(errors="replace")
    return str(value)
