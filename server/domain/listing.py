"""Lists of payments: filters, orders, and pages, either by token or, for the legacy REST API, by number."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from server.domain.errors import InvalidValue
from server.domain.money import Money
from server.domain.payment import Payment, PaymentMethod, RefundState, Status
from server.domain.value import value

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000


class Order(StrEnum):
    """The order: by time, then by payment_id in the same direction. Payments without a time sort as the oldest."""

    NEWEST_FIRST = "create_time desc"
    OLDEST_FIRST = "create_time asc"


@value(kw_only=True)
class PaymentFilter:
    """A filter for payments. All conditions must hold; an empty set or None means no condition. Bounds are inclusive.

    An amount bound matches payments in its currency only. A ``request_id`` is that of ``caller``, which is then set.

    Raises:
        InvalidValue: the amount bounds have different currencies, or a minimum is above its maximum; ``part`` names the
            field.
    """

    order_id: int | None = None
    methods: frozenset[PaymentMethod] = frozenset()
    statuses: frozenset[Status] = frozenset()
    refund_states: frozenset[RefundState] = frozenset()
    reference: str | None = None
    min_amount: Money | None = None
    max_amount: Money | None = None
    min_create_time: datetime | None = None
    max_create_time: datetime | None = None
    request_id: str | None = None
    caller: str | None = None
    processor_reference: str | None = None
    external_reference: str | None = None
    customer_id: str | None = None

    def __post_init__(self) -> None:
        """Check the bounds."""
        if self.min_amount is not None and self.max_amount is not None:
            if self.min_amount.currency != self.max_amount.currency:
                raise InvalidValue("must have the currency of min_amount", "max_amount.currency_code")
            if self.min_amount.amount_minor > self.max_amount.amount_minor:
                raise InvalidValue("must not be less than min_amount", "max_amount")
        if (
            self.min_create_time is not None
            and self.max_create_time is not None
            and self.min_create_time > self.max_create_time
        ):
            raise InvalidValue("must not be before min_create_time", "max_create_time")

    @property
    def has_time_bound(self) -> bool:
        """Whether there is a time bound, which payments without a time never match."""
        return self.min_create_time is not None or self.max_create_time is not None


@value()
class Position:
    """A position in a list: just after the payment with this time and id."""

    create_time: datetime | None
    payment_id: int


@value()
class PageQuery:
    """A page to read: at most ``size`` payments after the position ``after``, or the first ones if it is None."""

    filter: PaymentFilter
    order: Order
    size: int
    after: Position | None
    with_total: bool


@value()
class Page:
    """A page of payments.

    ``next`` is the position of the next page, None on the last one. ``total`` is None unless the query asked for it.
    """

    payments: tuple[Payment, ...]
    next: Position | None
    total: int | None


def page_size(requested: int) -> int:
    """Return the maximum number of payments on a page: 50 if ``requested`` is 0, and never more than 1000 (AIP-158).

    Raises:
        InvalidValue: ``requested`` is negative.
    """
    if requested < 0:
        raise InvalidValue(f"must be 0 (which means {DEFAULT_PAGE_SIZE}) to {MAX_PAGE_SIZE}")
    return min(requested or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def order(text: str) -> Order:
    """Parse an ``order_by`` (AIP-132): a field and a direction. Extra spaces are ignored; empty means newest first.

    Raises:
        InvalidValue: the text is not ``create_time``, ``create_time asc`` or ``create_time desc``.
    """
    words = text.split()
    if not words:
        return Order.NEWEST_FIRST
    try:
        return Order(" ".join(words if len(words) > 1 else [*words, "asc"]))
    except ValueError:
        allowed = " or ".join(f'"{choice}"' for choice in (Order.NEWEST_FIRST, Order.OLDEST_FIRST))
        raise InvalidValue(f"must be {allowed}") from None


@value(kw_only=True)
class NumberedPageQuery:
    """A page to read by its number: skip the first ``skip`` payments that match, and read at most ``size``.

    All conditions must match; None means no condition. ``method`` is the stored text of a method, in any letter case.
    Amounts are in whole units of any currency. Bounds are inclusive; a minimum above its maximum matches nothing.
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
    """A page of payments, and the ``total`` number of payments on all pages."""

    payments: tuple[Payment, ...]
    total: int
