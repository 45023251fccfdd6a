"""Lists of payments: filters, orders and pages, by token and, as the replaced service had them, by number."""

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
    """The order of a list: by time, then by payment_id in the same direction. Payments without a time are oldest."""

    NEWEST_FIRST = "create_time desc"
    OLDEST_FIRST = "create_time asc"


@value(kw_only=True)
class PaymentFilter:
    """Which payments to list: all the conditions must hold; an empty set or None is no condition. Bounds are inclusive.

    An amount bound also asks for its currency.

    Raises:
        InvalidValue: the amount bounds have two currencies, or bounds are reversed; ``part`` names the field.
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

    def __post_init__(self) -> None:
        """Refuse to exist when wrong."""
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
    def bounds_time(self) -> bool:
        """Whether payments without a time cannot match."""
        return self.min_create_time is not None or self.max_create_time is not None


@value()
class Position:
    """A place in a list: just after the payment with this time and id."""

    create_time: datetime | None
    payment_id: int


@value()
class PageQuery:
    """A page to read: at most ``size`` payments, those after ``after``, or the first ones."""

    filter: PaymentFilter
    order: Order
    size: int
    after: Position | None
    with_total: bool


@value()
class Page:
    """A page that was read. ``next`` is where the next one starts, None on the last; ``total`` only if asked for."""

    payments: tuple[Payment, ...]
    next: Position | None
    total: int | None


def page_size(requested: int) -> int:
    """Return how many payments a page has at most: 50 when 0 is asked for, and 1000 when more is (AIP-158).

    Raises:
        InvalidValue: it is negative.
    """
    if requested < 0:
        raise InvalidValue(f"must be 0 (which means {DEFAULT_PAGE_SIZE}) to {MAX_PAGE_SIZE}")
    return min(requested or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def order(text: str) -> Order:
    """Read an ``order_by`` (AIP-132): a field and a direction, spaces not counting; empty is newest first.

    Raises:
        InvalidValue: it is anything but ``create_time``, ``create_time asc`` or ``create_time desc``.
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
