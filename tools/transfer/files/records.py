"""Payments and refunds as CSV records: their columns, and the conversion of records to table rows.

Legacy CSV files have the first seven columns of ``PAYMENT_COLUMNS``, and exports have all of them. In an export, a
payment without a caller is an adopted one, and may be as unusual as an adopted table allows. All other payments must
be valid for this service.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from typing import Any

import orjson

from server.domain.dispute import DisputeStatus
from server.domain.errors import InvalidValue
from server.domain.identifiers import MAX_REQUEST_ID_LENGTH, RequestKey
from server.domain.money import MINOR_DIGITS, Money, positive
from server.domain.names import MAX_NAME_LENGTH, labels, name
from server.domain.payment import (
    MAX_PROCESSOR_REFERENCE_LENGTH,
    MAX_REASON_LENGTH,
    MAX_REFERENCE_LENGTH,
    FailureReason,
    identifier,
    order_of_charge,
    reason,
)
from server.domain.simulation import SimulatedSource
from server.storage.payments.codec import labels_text
from server.storage.payments.late_codec import dispute_from_json, dispute_to_json
from tools.transfer.files import csv_values as values
from tools.transfer.files.csv_values import Read
from tools.transfer.files.errors import CsvError
from tools.transfer.files.spreadsheet import is_for_spreadsheets

Row = dict[str, Any]
"""Values by column name, each of the type that the driver returns for the column."""

Problem = tuple[str, str]
"""A field, and the reason why its value is rejected."""

PAYMENT_COLUMNS = (
    "payment_id",
    "order_id",
    "amount",
    "method",
    "status",
    "reference",
    "created_at",
    "refunded",
    "currency",
    "refunded_amount",
    "requested_method",
    "caller",
    "request_id",
    "external_reference",
    "customer_id",
    "labels",
    "failure",
    "failure_code",
    "processor_reference",
    "simulated_source",
    "forgotten_at",
    "source_mark",
    "dispute_status",
    "dispute",
)
REFUND_COLUMNS = (
    "refund_id",
    "payment_id",
    "amount",
    "requested_amount",
    "status",
    "reason",
    "caller",
    "request_id",
    "created_at",
    "failure",
    "failure_code",
    "processor_reference",
)

REJECT_COLUMNS = ("reject_line", "reject_field", "reject_reason", "reject_text")
"""The additional columns of a reject file. An import ignores them, so that a reject file can be corrected and imported.
"""

_REQUIRED_PAYMENT_COLUMNS = ("order_id", "amount", "method", "status", "created_at")
_REQUIRED_REFUND_COLUMNS = REFUND_COLUMNS[:-3]
"""Exports of earlier releases have only these."""

_MAX_ROW_ID = 2**62
"""Leaves ids for future rows, because AUTO_INCREMENT continues from the largest id, up to 2**63 - 1."""

_MAX_METHOD_LENGTH = 255
_MAX_CALLER_BYTES = 255
_MAX_SOURCE_MARK_LENGTH = 80
_MAX_DISPUTE_LENGTH = 4096


class InvalidRecord(Exception):
    """A record has invalid fields."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Store the problems, of which there is at least one."""
        super().__init__(problems)
        self.problems = tuple(problems)


class RecordConverter:
    """Converts the records of a file to rows: a reader for each column, and a check of the whole row.

    ``columns`` are the table's columns that the file has, in the order of the file.
    """

    def __init__(
        self, header: Sequence[str], readers: Mapping[str, Read], check: Callable[[Row], list[Problem]]
    ) -> None:
        """Read fields in the order of ``header`` with ``readers``, then ``check`` the row."""
        self.columns = tuple(column for column in header if column not in REJECT_COLUMNS)
        self._fields = tuple(
            (place, column, readers[column]) for place, column in enumerate(header) if column not in REJECT_COLUMNS
        )
        self._check = check

    def convert(self, fields: Sequence[str]) -> Row:
        """Convert the fields of a record, as many as in the header, to a row.

        Raises:
            InvalidRecord: fields are invalid.
        """
        try:
            row = {column: read(fields[place]) for place, column, read in self._fields}
        except InvalidValue:
            raise InvalidRecord(self._problems(fields)) from None
        if problems := self._check(row):
            raise InvalidRecord(problems)
        return row

    def _problems(self, fields: Sequence[str]) -> list[Problem]:
        problems = []
        for place, column, read in self._fields:
            try:
                read(fields[place])
            except InvalidValue as error:
                problems.append((column, error.description))
        return problems


def is_refunds(header: Sequence[str]) -> bool:
    """Return whether a file with this header contains refunds rather than payments."""
    return "refund_id" in header


def payment_converter(header: Sequence[str], default_currency: str, zone: tzinfo) -> RecordConverter:
    """Return the converter of payments in a file with this header.

    ``default_currency`` applies to payments without a currency, and ``zone`` to times without an offset.

    Raises:
        CsvError: a column is missing, duplicate or unknown.
    """
    _check_header(header, PAYMENT_COLUMNS, _REQUIRED_PAYMENT_COLUMNS)
    if not {"payment_id", "reference"}.intersection(header):
        raise CsvError("the header must have the column payment_id or reference, to identify payments")
    if len({"caller", "request_id"}.intersection(header)) == 1:
        raise CsvError("the header must have either both of the columns caller and request_id, or neither")
    is_export = "caller" in header
    optional = values.optional
    time = values.time_in(zone)
    is_in_default_currency = not {"currency", "refunded_amount", "caller"}.intersection(header)
    exact_amount: Read = values.exported_amount if is_export else values.amount
    amount: Read = _charged_amount_reader(default_currency) if is_in_default_currency else exact_amount
    method: Read = values.exact_text(_MAX_METHOD_LENGTH) if is_export else values.printable_text(_MAX_METHOD_LENGTH)
    reference: Read = (
        values.unrounded(values.exact_text(MAX_REFERENCE_LENGTH))
        if is_export
        else values.printable_text(MAX_REFERENCE_LENGTH)
    )
    readers: dict[str, Read] = {
        "payment_id": optional(_row_id),
        "order_id": values.integer if is_export else _identifier,
        "amount": optional(amount) if is_export else amount,
        "method": method,
        "status": values.status,
        "reference": optional(reference),
        "created_at": optional(time) if is_export else time,
        "refunded": values.flag,
        "currency": _currency_reader(default_currency),
        "refunded_amount": exact_amount,
        "requested_method": optional(values.chargeable_method),
        "caller": optional(values.key(_MAX_CALLER_BYTES)),
        "request_id": optional(values.unrounded(values.key(MAX_REQUEST_ID_LENGTH))),
        "external_reference": optional(_name),
        "customer_id": optional(_name),
        "labels": optional(_labels),
        "simulated_source": optional(values.member_of(SimulatedSource)),
        "forgotten_at": optional(time),
        "source_mark": optional(values.exact_text(_MAX_SOURCE_MARK_LENGTH)),
        "dispute_status": optional(values.member_of(DisputeStatus)),
        "dispute": optional(values.exact_text(_MAX_DISPUTE_LENGTH)),
        **_FAILURE_READERS,
    }

    def check(row: Row) -> list[Problem]:
        currency = row.setdefault("currency", default_currency)
        is_adopted = is_export and row["caller"] is None
        problems = []
        if row.get("payment_id") is None and row.get("reference") is None:
            problems.append(("payment_id", "must not be empty unless there is a reference"))
        if not is_in_default_currency:
            problems += _money_problems(row, currency, is_adopted=is_adopted)
        if row.get("refunded") and row["status"] != 1 and not is_adopted:
            problems.append(("refunded", "must be 0 unless the payment's status is SUCCESS"))
        problems += _failure_problems(row)
        problems += _dispute_problems(row, currency)
        if is_export and not is_adopted:
            problems += _regular_payment_problems(row)
        return problems

    return RecordConverter(header, readers, check)


def refund_converter(header: Sequence[str], zone: tzinfo) -> RecordConverter:
    """Return the converter of refunds in a file with this header; ``zone`` applies to times without an offset.

    Raises:
        CsvError: a column is missing, duplicate or unknown.
    """
    _check_header(header, REFUND_COLUMNS, _REQUIRED_REFUND_COLUMNS)
    readers: dict[str, Read] = {
        "refund_id": _row_id,
        "payment_id": _row_id,
        "amount": values.exported_amount,
        "requested_amount": values.optional(values.exported_amount),
        "status": values.status,
        "reason": values.exact_text(MAX_REASON_LENGTH),
        "caller": values.key(_MAX_CALLER_BYTES),
        "request_id": values.unrounded(values.key(MAX_REQUEST_ID_LENGTH)),
        "created_at": values.time_in(zone),
        **_FAILURE_READERS,
    }

    def check(row: Row) -> list[Problem]:
        for column in REFUND_COLUMNS:
            row.setdefault(column, None)
        problems = _failure_problems(row)
        for column in ("amount", "requested_amount"):
            value = row[column]
            if value is not None and value <= 0:
                problems.append((column, "must be more than zero"))
        problems += _problem("reason", reason, row["reason"])
        problems += _request_id_problems(row)
        return problems

    return RecordConverter(header, readers, check)


def _check_header(header: Sequence[str], columns: Sequence[str], required: Sequence[str]) -> None:
    if is_for_spreadsheets(header):
        raise CsvError(
            "the file was written by `payments export --spreadsheet`, which is for reading only: export the payments "
            "again without --spreadsheet"
        )
    if "" in header:
        raise CsvError(f"column {header.index('') + 1} of the header has no name: name it, or delete the column")
    unknown = [name for name in header if name not in columns and name not in REJECT_COLUMNS]
    if unknown:
        raise CsvError(
            f"the header has unknown columns ({', '.join(map(repr, unknown))}); known columns: {', '.join(columns)}"
        )
    duplicates = sorted({name for name in header if header.count(name) > 1})
    if duplicates:
        raise CsvError(f"the header has duplicate columns: {', '.join(duplicates)}")
    missing = [name for name in required if name not in header]
    if missing:
        raise CsvError(f"the header lacks columns: {', '.join(missing)}")


def _currency_reader(default_currency: str) -> Read:
    def currency(text: str) -> str:
        code = text.strip() or default_currency
        if code not in MINOR_DIGITS:
            raise InvalidValue("must be an ISO 4217 code such as INR")
        return code

    return currency


def _charged_amount_reader(currency: str) -> Read:
    def charged_amount(text: str) -> Decimal:
        amount = values.amount(text)
        positive(Money.from_amount(currency, amount))
        return amount

    return charged_amount


def _name(text: str) -> str:
    read = values.unrounded(values.exact_text(MAX_NAME_LENGTH))
    return name(str(read(text)))


def _labels(text: str) -> str | None:
    try:
        pairs = orjson.loads(text)
    except orjson.JSONDecodeError:
        pairs = None
    if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
        raise InvalidValue('must be a JSON object of strings, such as {"channel": "web"}')
    return labels_text(labels(pairs)) if pairs else None


_FAILURE_READERS: Mapping[str, Read] = {
    "failure": values.optional(values.member_of(FailureReason)),
    "failure_code": values.optional(values.exact_text(MAX_PROCESSOR_REFERENCE_LENGTH)),
    "processor_reference": values.optional(values.unrounded(values.exact_text(MAX_PROCESSOR_REFERENCE_LENGTH))),
}
"""The readers of the columns that payments and refunds share."""


def _identifier(text: str) -> int:
    return identifier(values.integer(text))


def _row_id(text: str) -> int:
    row_id = _identifier(text)
    if row_id > _MAX_ROW_ID:
        raise InvalidValue(f"must be at most {_MAX_ROW_ID}")
    return row_id


def _regular_payment_problems(row: Row) -> list[Problem]:
    """Return a problem for each value that a payment made by this service cannot have."""
    problems = _problem(
        "order_id", lambda text: order_of_charge(text, row.get("external_reference") or ""), row["order_id"]
    )
    if row["amount"] is None:
        problems.append(("amount", "must be a number such as 561.00"))
    if not row["method"]:
        problems.append(("method", f"must be 1 to {_MAX_METHOD_LENGTH} characters"))
    if row["created_at"] is None:
        problems.append(("created_at", "must be a time such as 2025-02-07 05:28:54"))
    return problems + _request_id_problems(row)


def _money_problems(row: Row, currency: str, *, is_adopted: bool) -> list[Problem]:
    column = "amount"
    try:
        money = _money(currency, row["amount"])
        if money is not None and not is_adopted:
            positive(money)
        column = "refunded_amount"
        refunded = _money(currency, row.get("refunded_amount"))
    except InvalidValue as error:
        return [(column, error.description)]
    if refunded is None or not refunded.amount_minor:
        return []
    if not 0 < refunded.amount_minor <= (0 if money is None else money.amount_minor):
        return [(column, "must be between 0 and the payment's amount")]
    if row["status"] != 1 and not is_adopted:
        return [(column, "must be 0 unless the payment's status is SUCCESS")]
    if refunded == money and "refunded" in row and not row["refunded"]:
        return [("refunded", "must be 1, because refunded_amount is the whole amount")]
    return []


def _failure_problems(row: Row) -> list[Problem]:
    if row.get("failure") is not None and row["status"] != 0:
        return [("failure", "must be empty unless the status is FAILED")]
    if row.get("failure_code") is not None and row.get("failure") is None:
        return [("failure_code", "must be empty unless there is a failure")]
    return []


def _dispute_problems(row: Row, currency: str) -> list[Problem]:
    """Check that ``dispute`` is the JSON that the service would store."""
    status, text = row.get("dispute_status"), row.get("dispute")
    if (status is None) != (text is None):
        return [("dispute", "must be present if there is a dispute_status, and empty otherwise")]
    if status is None or text is None:
        return []
    try:
        dispute = dispute_from_json(status, text, currency)
        is_open = dispute.status is DisputeStatus.OPEN
        is_valid = (
            dispute_to_json(dispute) == text
            and (dispute.amount is None or type(dispute.amount.amount_minor) is int)
            and isinstance(dispute.reason, str)
            and isinstance(dispute.processor_reference, str)
            and dispute.open_time.tzinfo is not None
            and (dispute.close_time is None) == is_open
            and (dispute.close_time is None or dispute.close_time.tzinfo is not None)
        )
    except (ValueError, TypeError, KeyError, InvalidValue):
        is_valid = False
    return [] if is_valid else [("dispute", "must be the JSON that `payments export` wrote, with its dispute_status")]


def _request_id_problems(row: Row) -> list[Problem]:
    caller, request_id = row["caller"], row["request_id"]
    if not isinstance(caller, bytes) or not isinstance(request_id, bytes):
        return [("request_id", "must be present if there is a caller, and empty otherwise")]
    return _problem("request_id", lambda text: RequestKey.of(caller.decode(), text), request_id.decode())


def _problem(column: str, rule: Callable[..., object], value: object) -> list[Problem]:
    try:
        rule(value)
    except InvalidValue as error:
        return [(column, error.description)]
    return []


def _money(currency: str, amount: Decimal | None) -> Money | None:
    if amount is None:
        return None
    return Money.from_amount(currency, amount)
