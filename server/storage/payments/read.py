"""Group read: payments that are asked for while others are being read go together into the next SELECT."""

from collections.abc import Sequence

from server.domain.errors import PaymentNotFound
from server.domain.payment import PaymentDetails
from server.storage.batching import Limits
from server.storage.database.pool import Session
from server.storage.payments import archive_queries, queries
from server.storage.payments.codec import many_details_from_json

LIMITS = Limits(in_one=64, at_once=4, waiting=10_000)


async def read_details(session: Session, payment_ids: Sequence[int]) -> list[PaymentDetails | Exception | None]:
    """Return each payment with its refunds, or ``PaymentNotFound``.

    None stands for a payment with more than ``MAX_REFUNDS_SHOWN`` refunds. It is read alone, so that the other callers
    of the group do not wait for it.
    """
    wanted = set(payment_ids)
    found = many_details_from_json(await session.values(queries.SELECT_DETAILS_OF_MANY, (tuple(wanted),)))
    if len(found) < len(wanted):
        missing = tuple(wanted - found.keys())
        found |= many_details_from_json(await session.values(archive_queries.SELECT_DETAILS_OF_MANY, (missing,)))
    return [
        found[payment_id] if payment_id in found else PaymentNotFound("payment not found") for payment_id in payment_ids
    ]
