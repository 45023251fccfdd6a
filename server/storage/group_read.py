"""Group read: payments that are asked for while others are being read go together into the next SELECT."""

from collections.abc import Sequence

from server.domain.errors import PaymentNotFound
from server.domain.payment import PaymentDetails
from server.storage import queries
from server.storage.groups import Limits
from server.storage.mysql import Session
from server.storage.rows import payment_from_json, refund_from_json

LIMITS = Limits(in_one=64, at_once=4, waiting=10_000)


async def read_details(session: Session, payment_ids: Sequence[int]) -> list[PaymentDetails | Exception]:
    """Return each payment with its refunds, or ``PaymentNotFound``."""
    found: dict[int, tuple[str, list[str]]] = {}
    for payment_id, payment, refund in await session.rows(queries.SELECT_DETAILS_BY_IDS, (tuple(set(payment_ids)),)):
        _, refunds = found.setdefault(payment_id, (payment, []))
        if refund is not None:
            refunds.append(refund)
    return [
        details(*found[payment_id]) if payment_id in found else PaymentNotFound("payment not found")
        for payment_id in payment_ids
    ]


def details(payment: str, refunds: Sequence[str]) -> PaymentDetails:
    """Return a payment with its refunds, of their values."""
    return PaymentDetails(payment_from_json(payment), tuple(refund_from_json(refund)[0] for refund in refunds))
