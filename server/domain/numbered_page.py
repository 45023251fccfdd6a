"""Pages by number, with conditions as the replaced service had them; new callers follow tokens (``listing``)."""

from datetime import datetime
from decimal import Decimal

from server.domain.listing import Order
from server.domain.payment import Payment, Status
from server.domain.value import value


@value(kw_only=True)
class NumberedPageQuery:
    """The ``size`` payments that come after the first ``skip`` ones, of those for which all the conditions hold.

    None is no condition. ``method`` is the stored text of a method, in any letter case; amounts are in whole units of
    whatever currency. Bounds are inclusive; reversed ones match nothing.
    """

    order: Order
    size: int
    skip: int
    order_id: int | None = None
    method: str | None = None
    status: Status | None = None
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    min_create_time: datetime | None = None
    max_create_time: datetime | None = None


@value()
class NumberedPage:
    """A page that was read; ``total`` counts the payments of all pages."""

    payments: tuple[Payment, ...]
    total: int
