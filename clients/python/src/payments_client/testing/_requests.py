"""Checks of whole requests, which reject a request that the contract does not allow."""

from collections.abc import Mapping

from payments_client.testing import _paging
from payments_client.testing._money import Currencies, total_nanos
from payments_client.testing._sources import SOURCES
from payments_client.testing._violations import Violations, is_text
from payments_client.v1 import payments_pb2 as pb

_MAX_BATCH = 1000
_MAX_REASON_LENGTH = 255
_MAX_PROCESSOR_REFERENCE_LENGTH = 255
_MAX_LABELS = 16
_MAX_LABEL_KEY_LENGTH = 40
_MAX_LABEL_LENGTH = 100

_CHARGEABLE_METHODS = (pb.PAYMENT_METHOD_UPI, pb.PAYMENT_METHOD_CARD, pb.PAYMENT_METHOD_COD)


def check_charge(charge: pb.ChargeRequest, currencies: Currencies) -> None:
    """Check a charge."""
    violations = Violations()
    if charge.order_id < 0 or (charge.order_id == 0 and not charge.external_reference):
        violations.add("order_id", "must be 1 or more, or left out if there is an external_reference")
    currency = charge.amount.currency_code or currencies.default
    if not charge.HasField("amount"):
        violations.add("amount", "is required")
    elif currency not in currencies.allowed:
        violations.add("amount.currency_code", f"must be one of {', '.join(sorted(currencies.allowed))}, or empty")
    else:
        violations.positive_amount("amount", charge.amount, currency)
    if charge.method not in {pb.PAYMENT_METHOD_UNSPECIFIED, *_CHARGEABLE_METHODS}:
        violations.add("method", f"must be one of {', '.join(map(pb.PaymentMethod.Name, _CHARGEABLE_METHODS))}")
    if charge.HasField("request_id"):
        violations.request_id("request_id", charge.request_id)
    if charge.external_reference:
        violations.name("external_reference", charge.external_reference)
    if charge.customer_id:
        violations.name("customer_id", charge.customer_id)
    _check_labels(violations, charge.labels)
    _check_source(violations, charge)
    violations.reject_if_any()


def check_batch_charge(request: pb.BatchChargeRequest) -> None:
    """Check the number of charges in a batch, but not the charges."""
    violations = Violations()
    if not 0 < len(request.charges) <= _MAX_BATCH:
        violations.add("charges", f"must have 1 to {_MAX_BATCH:,} charges")
    violations.reject_if_any()


def check_refund(refund: pb.RefundRequest, currencies: Currencies) -> None:
    """Check a refund."""
    violations = Violations()
    violations.payment_id(refund.payment_id)
    if refund.HasField("amount"):
        violations.positive_amount("amount", refund.amount, refund.amount.currency_code or currencies.default)
    if not is_text(refund.reason, _MAX_REASON_LENGTH):
        violations.add("reason", f"must be at most {_MAX_REASON_LENGTH} characters, without control characters")
    if refund.HasField("request_id"):
        violations.request_id("request_id", refund.request_id)
    violations.reject_if_any()


def check_get_payment(request: pb.GetPaymentRequest) -> None:
    """Check the key of a payment."""
    violations = Violations()
    match request.WhichOneof("key"):
        case "payment_id":
            violations.payment_id(request.payment_id)
        case "reference":
            violations.length("reference", request.reference)
        case "request_id":
            violations.request_id("request_id", request.request_id)
        case None:
            violations.add("key", "payment_id, reference or request_id is required")
    if request.caller and request.HasField("request_id"):
        violations.caller("caller", request.caller)
    elif request.caller:
        violations.add("caller", "must be empty, unless the key is a request_id")
    violations.reject_if_any()


def check_page_of_payment(request: pb.ListRefundsRequest | pb.ListPaymentEventsRequest) -> None:
    """Check the payment and the page size of a list of refunds or events."""
    violations = Violations()
    violations.payment_id(request.payment_id)
    violations.page_size(request.page_size)
    violations.reject_if_any()


def check_list_payments(request: pb.ListPaymentsRequest, currencies: Currencies) -> None:
    """Check the filter, the order and the page size of a list of payments."""
    violations = Violations()
    wanted = request.filter
    violations.enum_values("filter.methods", wanted.methods, pb.PaymentMethod.items())
    violations.enum_values("filter.statuses", wanted.statuses, pb.PaymentStatus.items())
    violations.enum_values("filter.refund_states", wanted.refund_states, pb.RefundState.items())
    if wanted.HasField("reference"):
        violations.length("filter.reference", wanted.reference)
    _check_amounts(violations, wanted, currencies)
    _check_times(violations, wanted)
    if wanted.HasField("request_id"):
        violations.request_id("filter.request_id", wanted.request_id)
    if wanted.HasField("processor_reference"):
        length = _MAX_PROCESSOR_REFERENCE_LENGTH
        violations.length("filter.processor_reference", wanted.processor_reference, length)
    _check_names(violations, wanted)
    if _paging.direction_of(request.order_by) is None:
        violations.add("order_by", 'must be "create_time desc" or "create_time asc"')
    violations.page_size(request.page_size)
    violations.reject_if_any()


def check_watch_payments(request: pb.WatchPaymentsRequest) -> None:
    """Check the filter of a watch."""
    violations = Violations()
    _check_names(violations, request.filter)
    violations.enum_values("filter.types", request.filter.types, pb.PaymentEventType.items())
    violations.reject_if_any()


def _check_labels(violations: Violations, labels: Mapping[str, str]) -> None:
    if len(labels) > _MAX_LABELS:
        violations.add("labels", f"must have at most {_MAX_LABELS} labels")
    elif not all(key and is_text(key, _MAX_LABEL_KEY_LENGTH) for key in labels):
        violations.add("labels", f"keys must be 1 to {_MAX_LABEL_KEY_LENGTH} characters, without control characters")
    elif not all(is_text(label, _MAX_LABEL_LENGTH) for label in labels.values()):
        violations.add("labels", f"values must be at most {_MAX_LABEL_LENGTH} characters, without control characters")


def _check_source(violations: Violations, charge: pb.ChargeRequest) -> None:
    if charge.payment_source not in {"", *SOURCES}:
        violations.add("payment_source", f"must be one of {', '.join(SOURCES)}, or empty")
    if charge.return_url and not charge.payment_source:
        violations.add("return_url", "must be empty without a payment_source")
    elif charge.return_url:
        violations.https_url("return_url", charge.return_url)


def _check_amounts(violations: Violations, wanted: pb.PaymentFilter, currencies: Currencies) -> None:
    lowest, highest = wanted.min_amount, wanted.max_amount
    min_currency, max_currency = (money.currency_code or currencies.default for money in (lowest, highest))
    if wanted.HasField("min_amount"):
        violations.amount("filter.min_amount", lowest, min_currency)
    if wanted.HasField("max_amount"):
        violations.amount("filter.max_amount", highest, max_currency)
    if wanted.HasField("min_amount") and wanted.HasField("max_amount"):
        if min_currency != max_currency:
            violations.add("filter.max_amount.currency_code", "must have the currency of min_amount")
        elif total_nanos(lowest) > total_nanos(highest):
            violations.add("filter.max_amount", "must not be less than min_amount")


def _check_times(violations: Violations, wanted: pb.PaymentFilter) -> None:
    earliest, latest = wanted.min_create_time, wanted.max_create_time
    if wanted.HasField("min_create_time"):
        violations.time("filter.min_create_time", earliest)
    if wanted.HasField("max_create_time"):
        violations.time("filter.max_create_time", latest)
        if wanted.HasField("min_create_time") and _paging.sort_key(earliest) > _paging.sort_key(latest):
            violations.add("filter.max_create_time", "must not be before min_create_time")


def _check_names(violations: Violations, wanted: pb.PaymentFilter | pb.PaymentEventFilter) -> None:
    if wanted.HasField("caller"):
        violations.caller("filter.caller", wanted.caller)
    if wanted.HasField("external_reference"):
        violations.name("filter.external_reference", wanted.external_reference)
    if wanted.HasField("customer_id"):
        violations.name("filter.customer_id", wanted.customer_id)
