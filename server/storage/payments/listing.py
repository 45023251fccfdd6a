"""The SQL texts of lists, counts and exports, composed from a filter. Values are bound, never formatted.

A text names its index where several would do, so that the plan does not depend on the optimizer's estimates.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from server.domain.listing import NumberedPageQuery, Order, PaymentFilter, Position
from server.domain.payment import CHARGEABLE_METHODS, PaymentMethod, RefundState, Status
from server.storage.payments.queries import PAYMENT

_CHARGEABLE = ", ".join(f"'{method}'" for method in CHARGEABLE_METHODS)

_STATUSES = {
    Status.PENDING: "p.status IS NULL",
    Status.SUCCEEDED: "p.status = 1",
    Status.FAILED: "p.status = 0",
}

_REFUND_STATES = {
    RefundState.NONE: "(p.refunded = 0 AND p.refunded_amount = 0)",
    RefundState.PARTIAL: "(p.refunded = 0 AND p.refunded_amount > 0)",
    RefundState.FULL: "p.refunded <> 0",
}


@dataclass(frozen=True, slots=True)
class Query:
    """An SQL text and the values to bind in it."""

    text: str
    values: tuple[object, ...]


def count(payment_filter: PaymentFilter) -> Query:
    """Count the payments that match; read the entries of the filter's index, and rows where those are not enough."""
    return _select("COUNT(*)", payment_filter, _Conditions())


_EXPORTED_STATUS = "CASE WHEN {0}.status IS NULL THEN 'PENDING' WHEN {0}.status THEN 'SUCCESS' ELSE 'FAILED' END"


def export_payments(payment_filter: PaymentFilter) -> Query:
    """Read the payments that match, by payment_id, each column as it is exported; the keys are text in UTF-8.

    It names no index, because all payments that match are read, and no caller waits for a page.
    """
    conditions = _Conditions()
    _match(payment_filter, conditions)
    columns = (
        f"p.payment_id, p.order_id, p.amount, p.method, {_EXPORTED_STATUS.format('p')}, p.reference, p.created_at, "
        "p.refunded <> 0, p.currency, p.refunded_amount, p.requested_method, CONVERT(p.caller USING utf8mb4), "
        "CONVERT(p.request_id USING utf8mb4)"
    )
    return _text(columns, "", conditions, "ORDER BY p.payment_id")


def export_refunds(payment_filter: PaymentFilter) -> Query:
    """Read the refunds of the payments that match, by refund_id: see ``export_payments``."""
    conditions = _Conditions()
    _match(payment_filter, conditions)
    columns = (
        f"r.refund_id, r.payment_id, r.amount, r.requested_amount, {_EXPORTED_STATUS.format('r')}, r.reason, "
        "CONVERT(r.caller USING utf8mb4), CONVERT(r.request_id USING utf8mb4), r.created_at"
    )
    join = "JOIN refunds r ON r.payment_id = p.payment_id"
    return _text(columns, join, conditions, "ORDER BY r.refund_id")


def page_parts(payment_filter: PaymentFilter, order: Order, after: Position | None) -> tuple[Query, ...]:
    """Return the queries that read the rest of a list, one after the other; each binds its LIMIT last.

    There are two when payments without a time can match: those are older than all others, and are listed by
    payment_id. Each query reads one of the ``payments_by_*`` indexes in its order from the position on, without a sort,
    so page 1,000 costs as much as page 1.
    """
    after_undated = after is not None and after.create_time is None
    after_dated = after is not None and not after_undated
    dated = _dated(payment_filter, order, after if after_dated else None)
    if payment_filter.bounds_time:
        return (dated,)
    undated = _undated(payment_filter, order, after if after_undated else None)
    if order is Order.NEWEST_FIRST:
        return (undated,) if after_undated else (dated, undated)
    return (dated,) if after_dated else (undated, dated)


def method_spellings(method: str) -> Query:
    """Read the stored spellings of ``method``, in any letter case. The column's collation ignores trailing spaces.

    A loose index scan jumps from one distinct method to the next, so the cost does not depend on how many payments
    there are.
    """
    return Query(
        "SELECT DISTINCT p.method FROM payments p FORCE INDEX (payments_by_method) WHERE LOWER(p.method) = LOWER(%s)",
        (method,),
    )


def numbered_count(query: NumberedPageQuery, spellings: Sequence[str] = ()) -> Query:
    """Count the payments of all pages; read entries of the conditions' index, and rows where those are not enough.

    ``spellings`` are the stored spellings of the query's method; by default, the query's own.
    """
    return _numbered("COUNT(*)", query, spellings)


def numbered_page(query: NumberedPageQuery, total: int, spellings: Sequence[str] = ()) -> Query:
    """Read a page by its number, of ``total`` payments; it must not be empty.

    Its ids come from the conditions' index, read from the nearer end, and then only its own rows are read. The index
    holds payments without a time before all others, in the order of lists. The entries of one spelling of a method are
    in that order. Those of several are sorted, which costs about as much as counting them. ``spellings`` are as in
    ``numbered_count``.
    """
    size = min(query.size, total - query.skip)
    beyond = total - query.skip - size
    forwards, backwards = ("DESC", "ASC") if query.order is Order.NEWEST_FIRST else ("ASC", "DESC")
    direction, skip = (forwards, query.skip) if query.skip <= beyond else (backwards, beyond)
    ids = _numbered("p.payment_id", query, spellings, f"{_by_time(direction)} LIMIT %s OFFSET %s")
    text = (
        f"SELECT STRAIGHT_JOIN {PAYMENT} FROM ({ids.text}) page "
        f"JOIN payments p ON p.payment_id = page.payment_id {_by_time(forwards)}"
    )
    return Query(text, (*ids.values, size, skip))


def _by_time(direction: str) -> str:
    return f"ORDER BY p.created_at {direction}, p.payment_id {direction}"


class _Conditions:
    """Conditions that must all hold, and the values to bind in them."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.values: list[object] = []

    def add(self, text: str, *values: object) -> None:
        self.texts.append(text)
        self.values.extend(values)


def _dated(payment_filter: PaymentFilter, order: Order, after: Position | None) -> Query:
    comparison, direction = ("<", "DESC") if order is Order.NEWEST_FIRST else (">", "ASC")
    place = _Conditions()
    place.add("p.created_at IS NOT NULL")
    if after is not None:
        # The index is entered by the first half, because neither database reads (a, b) < (%s, %s) as a range.
        place.add(
            f"p.created_at {comparison}= %s AND (p.created_at {comparison} %s OR p.payment_id {comparison} %s)",
            _utc(after.create_time),
            _utc(after.create_time),
            after.payment_id,
        )
    return _select(PAYMENT, payment_filter, place, f"{_by_time(direction)} LIMIT %s")


def _undated(payment_filter: PaymentFilter, order: Order, after: Position | None) -> Query:
    comparison, direction = ("<", "DESC") if order is Order.NEWEST_FIRST else (">", "ASC")
    place = _Conditions()
    place.add("p.created_at IS NULL")
    if after is not None:
        place.add(f"p.payment_id {comparison} %s", after.payment_id)
    return _select(PAYMENT, payment_filter, place, f"ORDER BY p.payment_id {direction} LIMIT %s")


def _select(columns: str, payment_filter: PaymentFilter, place: _Conditions, tail: str = "") -> Query:
    _match(payment_filter, place)
    # The unique key of reference finds one row; in an adopted table it may have another name.
    hint = (
        ""
        if payment_filter.reference is not None
        else _index_hint(
            by_order=payment_filter.order_id is not None,
            by_method=len(payment_filter.methods) == 1 and PaymentMethod.OTHER not in payment_filter.methods,
            by_status=len(payment_filter.statuses) == 1,
        )
    )
    return _text(columns, hint, place, tail)


def _numbered(columns: str, query: NumberedPageQuery, spellings: Sequence[str], tail: str = "") -> Query:
    conditions = _Conditions()
    if query.order_id is not None:
        conditions.add("p.order_id = %s", query.order_id)
    if query.method is not None:
        methods = spellings or (query.method,)
        conditions.add(f"p.method IN ({', '.join(['%s'] * len(methods))})", *methods)
    if query.status is not None:
        conditions.add(_STATUSES[query.status])
    for amount, comparison in ((query.min_amount, ">="), (query.max_amount, "<=")):
        if amount is not None:
            conditions.add(f"p.amount {comparison} %s", amount)
    _between(conditions, query.min_create_time, query.max_create_time)
    hint = _index_hint(
        by_order=query.order_id is not None, by_method=query.method is not None, by_status=query.status is not None
    )
    return _text(columns, hint, conditions, tail)


def _text(columns: str, source: str, conditions: _Conditions, tail: str) -> Query:
    where = f"WHERE {' AND '.join(conditions.texts)}" if conditions.texts else ""
    return Query(
        " ".join(f"SELECT {columns} FROM payments p {source} {where} {tail}".split()), tuple(conditions.values)
    )


def _index_hint(*, by_order: bool, by_method: bool, by_status: bool) -> str:
    if by_order:
        return "FORCE INDEX (payments_by_order)"
    if by_method:
        return "FORCE INDEX (payments_by_method)"
    if by_status:
        return "FORCE INDEX (payments_by_status)"
    return "FORCE INDEX (payments_by_time)"


def _match(payment_filter: PaymentFilter, conditions: _Conditions) -> None:
    if payment_filter.order_id is not None:
        conditions.add("p.order_id = %s", payment_filter.order_id)
    if payment_filter.methods:
        conditions.add(*_any_method(payment_filter.methods))
    if payment_filter.statuses:
        conditions.add(_any_of(_STATUSES[status] for status in sorted(payment_filter.statuses)))
    if payment_filter.refund_states:
        conditions.add(_any_of(_REFUND_STATES[state] for state in sorted(payment_filter.refund_states)))
    if payment_filter.reference is not None:
        length = len(payment_filter.reference.encode())
        conditions.add("p.reference = %s AND LENGTH(p.reference) = %s", payment_filter.reference, length)
    for bound, comparison in ((payment_filter.min_amount, ">="), (payment_filter.max_amount, "<=")):
        if bound is not None:
            conditions.add(f"p.currency = %s AND p.amount {comparison} %s", bound.currency, bound.amount)
    _between(conditions, payment_filter.min_create_time, payment_filter.max_create_time)


def _between(conditions: _Conditions, earliest: datetime | None, latest: datetime | None) -> None:
    for time, comparison in ((earliest, ">="), (latest, "<=")):
        if time is not None:
            conditions.add(f"p.created_at {comparison} %s", _utc(time))


def _any_method(methods: frozenset[PaymentMethod]) -> tuple[str, ...]:
    named = sorted(methods - {PaymentMethod.OTHER})
    texts = [f"p.method IN ({', '.join(['%s'] * len(named))})"] if named else []
    if PaymentMethod.OTHER in methods:
        texts.append(f"p.method NOT IN ({_CHARGEABLE})")
    return _any_of(texts), *named


def _any_of(texts: Iterable[str]) -> str:
    return f"({' OR '.join(texts)})"


def _utc(time: datetime | None) -> datetime | None:
    """Return the time as the columns hold it: UTC, without a zone."""
    return None if time is None else time.astimezone(UTC).replace(tzinfo=None)
