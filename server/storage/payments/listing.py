"""The SQL of lists, counts and exports, composed from a filter. Values are bound, never formatted into the text.

A query names its index if several are possible, so that the plan does not depend on the optimizer's estimates.
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
    """The text of an SQL statement, and the values to bind."""

    text: str
    values: tuple[object, ...]


def count(payment_filter: PaymentFilter) -> Query:
    """Return the query that counts the matching payments, from an index, and from rows if that does not suffice."""
    return _select("COUNT(*)", payment_filter, _Conditions())


_EXPORTED_STATUS = "CASE WHEN {0}.status IS NULL THEN 'PENDING' WHEN {0}.status THEN 'SUCCESS' ELSE 'FAILED' END"


def export_payments(payment_filter: PaymentFilter) -> Query:
    """Return the query that reads the exported columns of the matching payments, in the order of payment_id.

    caller and request_id are returned as text in UTF-8. next_action is not exported, because anyone who has its URL can
    approve the payment. The query names no index, because it reads all matching payments, and no caller waits for a
    page.
    """
    conditions = _Conditions()
    _add_filter(payment_filter, conditions)
    columns = (
        f"p.payment_id, p.order_id, p.amount, p.method, {_EXPORTED_STATUS.format('p')}, p.reference, p.created_at, "
        "p.refunded <> 0, p.currency, p.refunded_amount, p.requested_method, CONVERT(p.caller USING utf8mb4), "
        "CONVERT(p.request_id USING utf8mb4), p.external_reference, p.customer_id, p.labels, p.failure, "
        "p.failure_code, p.processor_reference, p.simulated_source, p.forgotten_at, p.source_mark, p.dispute_status, "
        "p.dispute"
    )
    return _query(columns, "", conditions, "ORDER BY p.payment_id")


def export_refunds(payment_filter: PaymentFilter) -> Query:
    """Return the query that reads the refunds of the matching payments, by refund_id: see ``export_payments``."""
    conditions = _Conditions()
    _add_filter(payment_filter, conditions)
    columns = (
        f"r.refund_id, r.payment_id, r.amount, r.requested_amount, {_EXPORTED_STATUS.format('r')}, r.reason, "
        "CONVERT(r.caller USING utf8mb4), CONVERT(r.request_id USING utf8mb4), r.created_at, r.failure, "
        "r.failure_code, r.processor_reference"
    )
    join = "JOIN refunds r ON r.payment_id = p.payment_id"
    return _query(columns, join, conditions, "ORDER BY r.refund_id")


def page_parts(payment_filter: PaymentFilter, order: Order, after: Position | None) -> tuple[Query, ...]:
    """Return the queries that read the list after a position, to run in this order; each binds its LIMIT last.

    There are two queries if payments without a time can match: those sort as older than all others, by payment_id. Each
    query reads one of the ``payments_by_*`` indexes in index order from the position on, without a sort, so page 1,000
    costs as much as page 1.
    """
    after_undated = after is not None and after.create_time is None
    after_dated = after is not None and not after_undated
    dated = _dated_query(payment_filter, order, after if after_dated else None)
    if payment_filter.has_time_bound:
        return (dated,)
    undated = _undated_query(payment_filter, order, after if after_undated else None)
    if order is Order.NEWEST_FIRST:
        return (undated,) if after_undated else (dated, undated)
    return (dated,) if after_dated else (undated, dated)


def method_spellings(method: str) -> Query:
    """Return the query for the stored spellings of ``method`` in any letter case.

    A loose index scan jumps from one distinct method to the next, so the number of payments does not affect the cost.
    Letter case is that of utf8mb4_bin, which is the same on MariaDB and MySQL. The result is compared as bytes, because
    that collation ignores trailing spaces.
    """
    return Query(
        "SELECT DISTINCT p.method FROM payments p FORCE INDEX (payments_by_method) "
        "WHERE CAST(LOWER(p.method COLLATE utf8mb4_bin) AS BINARY) "
        "= CAST(LOWER(CONVERT(%s USING utf8mb4) COLLATE utf8mb4_bin) AS BINARY)",
        (method,),
    )


def numbered_count(query: NumberedPageQuery, spellings: Sequence[str] = ()) -> Query:
    """Return the query that counts the payments of all pages: see ``count``.

    ``spellings`` are the stored spellings of the query's method. If there are none, the query's own spelling is used.
    """
    return _numbered_query("COUNT(*)", query, spellings)


def numbered_page(query: NumberedPageQuery, total: int, spellings: Sequence[str] = ()) -> Query:
    """Return the query for a page by its number, out of ``total`` payments. The page must not be empty.

    The query reads the ids from the index for the conditions, starting at the nearer end, and then only the rows of the
    page. The index has the order of lists, with payments without a time first. If the method has several spellings,
    their entries must be sorted, which costs about as much as counting them. ``spellings`` are as in
    ``numbered_count``.
    """
    size = min(query.size, total - query.skip)
    remaining = total - query.skip - size
    forward, backward = ("DESC", "ASC") if query.order is Order.NEWEST_FIRST else ("ASC", "DESC")
    direction, skip = (forward, query.skip) if query.skip <= remaining else (backward, remaining)
    ids = _numbered_query("p.payment_id", query, spellings, f"{_order_by_time(direction)} LIMIT %s OFFSET %s")
    text = (
        f"SELECT STRAIGHT_JOIN {PAYMENT} FROM ({ids.text}) page "
        f"JOIN payments p ON p.payment_id = page.payment_id {_order_by_time(forward)}"
    )
    return Query(text, (*ids.values, size, skip))


def _order_by_time(direction: str) -> str:
    return f"ORDER BY p.created_at {direction}, p.payment_id {direction}"


class _Conditions:
    """Conditions that must all hold, and the values that they bind."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.values: list[object] = []

    def add(self, text: str, *values: object) -> None:
        self.texts.append(text)
        self.values.extend(values)


def _dated_query(payment_filter: PaymentFilter, order: Order, after: Position | None) -> Query:
    comparison, direction = ("<", "DESC") if order is Order.NEWEST_FIRST else (">", "ASC")
    conditions = _Conditions()
    conditions.add("p.created_at IS NOT NULL")
    if after is not None:
        # The first half selects a range of the index, because neither database does that for (a, b) < (%s, %s).
        conditions.add(
            f"p.created_at {comparison}= %s AND (p.created_at {comparison} %s OR p.payment_id {comparison} %s)",
            _utc(after.create_time),
            _utc(after.create_time),
            after.payment_id,
        )
    return _select(PAYMENT, payment_filter, conditions, f"{_order_by_time(direction)} LIMIT %s")


def _undated_query(payment_filter: PaymentFilter, order: Order, after: Position | None) -> Query:
    comparison, direction = ("<", "DESC") if order is Order.NEWEST_FIRST else (">", "ASC")
    conditions = _Conditions()
    conditions.add("p.created_at IS NULL")
    if after is not None:
        conditions.add(f"p.payment_id {comparison} %s", after.payment_id)
    return _select(PAYMENT, payment_filter, conditions, f"ORDER BY p.payment_id {direction} LIMIT %s")


def _select(columns: str, payment_filter: PaymentFilter, conditions: _Conditions, tail: str = "") -> Query:
    _add_filter(payment_filter, conditions)
    return _query(columns, _filter_hint(payment_filter), conditions, tail)


def _filter_hint(payment_filter: PaymentFilter) -> str:
    """Return the hint for the index of the most selective condition."""
    # A reference is found by its unique key, which cannot be named: in an adopted table, it may have another name.
    if payment_filter.reference is not None:
        return ""
    for condition, index in (
        (payment_filter.request_id, "payments_by_request"),
        (payment_filter.processor_reference, "payments_by_processor_reference"),
        (payment_filter.external_reference, "payments_by_external_reference"),
        (payment_filter.order_id, "payments_by_order"),
        (payment_filter.customer_id, "payments_by_customer"),
        (payment_filter.caller, "payments_by_caller"),
    ):
        if condition is not None:
            return f"FORCE INDEX ({index})"
    return _index_hint(
        by_order=False,
        by_method=len(payment_filter.methods) == 1 and PaymentMethod.OTHER not in payment_filter.methods,
        by_status=len(payment_filter.statuses) == 1,
    )


def _numbered_query(columns: str, query: NumberedPageQuery, spellings: Sequence[str], tail: str = "") -> Query:
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
    _add_time_bounds(conditions, query.min_create_time, query.max_create_time)
    hint = _index_hint(
        by_order=query.order_id is not None, by_method=query.method is not None, by_status=query.status is not None
    )
    return _query(columns, hint, conditions, tail)


def _query(columns: str, source: str, conditions: _Conditions, tail: str) -> Query:
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


def _add_filter(payment_filter: PaymentFilter, conditions: _Conditions) -> None:
    if payment_filter.order_id is not None:
        conditions.add("p.order_id = %s", payment_filter.order_id)
    if payment_filter.methods:
        conditions.add(*_any_method(payment_filter.methods))
    if payment_filter.statuses:
        conditions.add(_any_of(_STATUSES[status] for status in sorted(payment_filter.statuses)))
    if payment_filter.refund_states:
        conditions.add(_any_of(_REFUND_STATES[state] for state in sorted(payment_filter.refund_states)))
    for column, text in (
        ("reference", payment_filter.reference),
        ("processor_reference", payment_filter.processor_reference),
        ("external_reference", payment_filter.external_reference),
        ("customer_id", payment_filter.customer_id),
        ("caller", _bytes(payment_filter.caller)),
        ("request_id", _bytes(payment_filter.request_id)),
    ):
        if text is not None:
            conditions.add(f"p.{column} = %s", text)
    for bound, comparison in ((payment_filter.min_amount, ">="), (payment_filter.max_amount, "<=")):
        if bound is not None:
            conditions.add(f"p.currency = %s AND p.amount {comparison} %s", bound.currency, bound.amount)
    _add_time_bounds(conditions, payment_filter.min_create_time, payment_filter.max_create_time)


def _add_time_bounds(conditions: _Conditions, earliest: datetime | None, latest: datetime | None) -> None:
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


def _bytes(text: str | None) -> bytes | None:
    """Return a text in the form of the binary columns."""
    return None if text is None else text.encode()


def _utc(time: datetime | None) -> datetime | None:
    """Return the time in the form of the columns: in UTC, without a time zone."""
    return None if time is None else time.astimezone(UTC).replace(tzinfo=None)
