"""Read payments: many by id in one SELECT, one with a page of its refunds, and pages of lists."""

from collections.abc import Sequence

from server.domain.errors import PaymentNotFound
from server.domain.identifiers import RequestKey
from server.domain.listing import NumberedPage, NumberedPageQuery, Page, PageQuery, Position
from server.domain.payment import MAX_REFUNDS_SHOWN, Payment, PaymentDetails, RefundsQuery
from server.storage.batching import BatchLimits
from server.storage.database.session import Session
from server.storage.payments import archive_queries, listing, queries
from server.storage.payments.codec import cached_payment, details_from_rows, many_details_from_rows
from server.storage.payments.listing import Query
from server.storage.payments.request_keys import key_values

BATCH_LIMITS = BatchLimits(max_items=64, max_batches=4, max_queued=10_000)


async def read_details(session: Session, payment_ids: Sequence[int]) -> list[PaymentDetails | Exception | None]:
    """Return for each payment_id the payment with its refunds, or ``PaymentNotFound``.

    Return None for a payment with more than ``MAX_REFUNDS_SHOWN`` refunds. The caller reads it alone, so that the other
    callers of the batch do not wait for it.
    """
    wanted = set(payment_ids)
    found = many_details_from_rows(await session.raw_rows(queries.SELECT_DETAILS_OF_MANY, (tuple(wanted),)))
    if len(found) < len(wanted):
        missing = tuple(wanted - found.keys())
        found |= many_details_from_rows(await session.raw_rows(archive_queries.SELECT_DETAILS_OF_MANY, (missing,)))
    return [found[payment_id] if payment_id in found else _not_found() for payment_id in payment_ids]


async def read_by_key(session: Session, key: str | RequestKey) -> PaymentDetails:
    """Return the payment with this reference or request key, and its first refunds.

    Raises:
        PaymentNotFound: there is none.
    """
    values: tuple[object, ...]
    if isinstance(key, str):
        texts = (queries.SELECT_DETAILS_BY_REFERENCE, archive_queries.SELECT_DETAILS_BY_REFERENCE)
        values = (key,)
    else:
        texts = (queries.SELECT_DETAILS_BY_REQUEST, archive_queries.SELECT_DETAILS_BY_REQUEST)
        values = key_values(key)
    return await _read_first(session, texts, values, None, MAX_REFUNDS_SHOWN)


async def read_refunds(session: Session, query: RefundsQuery) -> PaymentDetails:
    """Return a payment and a page of its refunds.

    Raises:
        PaymentNotFound: there is no such payment.
    """
    texts = (queries.SELECT_DETAILS_BY_ID, archive_queries.SELECT_DETAILS_BY_ID)
    return await _read_first(session, texts, (query.payment_id,), query.after, query.size)


async def _read_first(
    session: Session, texts: Sequence[str], key: tuple[object, ...], after: int | None, size: int
) -> PaymentDetails:
    """Return a payment and a page of its refunds, from the first query of ``texts`` that finds the payment."""
    # One refund more than the page holds shows that there is a next page.
    values = (*key, after or 0, size + 1, *key)
    for text in texts:
        details = details_from_rows(await session.raw_rows(text, values), size)
        if details is not None:
            return details
    raise _not_found()


async def read_page(session: Session, query: PageQuery) -> Page:
    """Return a page of payments."""
    payments: list[Payment] = []
    # One payment more than the page holds shows that there is a next page.
    wanted = query.size + 1
    for part in listing.page_parts(query.filter, query.order, query.after):
        if len(payments) < wanted:
            values = await session.values(part.text, (*part.values, wanted - len(payments)))
            payments += map(cached_payment, values)
    return Page(
        payments=tuple(payments[: query.size]),
        next=_position(payments[query.size - 1]) if len(payments) == wanted else None,
        total=await _count(session, listing.count(query.filter)) if query.with_total else None,
    )


async def read_numbered_page(session: Session, query: NumberedPageQuery) -> NumberedPage:
    """Return a page of payments by its number."""
    spellings = await _method_spellings(session, query.method)
    if query.method is not None and not spellings:
        return NumberedPage((), 0)
    total = await _count(session, listing.numbered_count(query, spellings))
    payments: list[Payment] = []
    if query.size and query.skip < total:
        page = listing.numbered_page(query, total, spellings)
        payments = [cached_payment(text) for text in await session.values(page.text, page.values)]
    return NumberedPage(tuple(payments), total)


async def _method_spellings(session: Session, method: str | None) -> list[str]:
    if method is None:
        return []
    query = listing.method_spellings(method)
    return [str(spelling) for (spelling,) in await session.rows(query.text, query.values)]


async def _count(session: Session, count: Query) -> int:
    row = await session.row(count.text, count.values)
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


def _position(payment: Payment) -> Position:
    return Position(payment.create_time, payment.payment_id)


def _not_found() -> PaymentNotFound:
    return PaymentNotFound("payment not found")
