"""The enums of the contract, and the domain enums that they stand for."""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Generic, TypeVar

from payments_client.v1 import payments_pb2 as pb

from server.domain.approval import NextActionType
from server.domain.dispute import DisputeStatus
from server.domain.errors import InvalidValue
from server.domain.payment import CHARGEABLE_METHODS, FailureReason, PaymentMethod, RefundState, Status

Member = TypeVar("Member", bound=Enum)
Number = TypeVar("Number", bound=int)

MAX_FILTER_VALUES = 20
"""The most values in one repeated field of a filter."""


class EnumTable(Generic[Member, Number]):
    """Maps between the members of a domain enum and the protobuf enum values with the same names plus a prefix."""

    def __init__(self, prefix: str, number_of: Callable[[str], Number], members: Iterable[Member]) -> None:
        """Map ``members`` to the numbers of the protobuf values with their names after ``prefix``."""
        self.numbers = {member: number_of(prefix + member.name) for member in members}
        self._members = {int(number): member for member, number in self.numbers.items()}
        self._allowed = f"must be one of {', '.join(prefix + member.name for member in self.numbers)}"

    def member(self, number: int) -> Member:
        """Return the member with this number.

        Raises:
            InvalidValue: there is none.
        """
        if number not in self._members:
            raise InvalidValue(self._allowed)
        return self._members[number]

    def members(self, numbers: Sequence[int]) -> frozenset[Member]:
        """Return the members with these numbers, for a condition of a filter.

        Raises:
            InvalidValue: there are too many, or a number has no member.
        """
        if len(numbers) > MAX_FILTER_VALUES:
            raise InvalidValue(f"must have at most {MAX_FILTER_VALUES} values")
        return frozenset(self.member(number) for number in numbers)


METHODS = EnumTable("PAYMENT_METHOD_", pb.PaymentMethod.Value, PaymentMethod)
CHARGE_METHODS = EnumTable("PAYMENT_METHOD_", pb.PaymentMethod.Value, CHARGEABLE_METHODS)
PAYMENT_STATUSES = EnumTable("PAYMENT_STATUS_", pb.PaymentStatus.Value, Status)
REFUND_STATUSES = EnumTable("REFUND_STATUS_", pb.RefundStatus.Value, Status)
FAILURES = EnumTable("FAILURE_", pb.Failure.Value, FailureReason)
NEXT_ACTION_TYPES = EnumTable("NEXT_ACTION_TYPE_", pb.NextActionType.Value, NextActionType)
DISPUTE_STATUSES = EnumTable("DISPUTE_STATUS_", pb.DisputeStatus.Value, DisputeStatus)
REFUND_STATES = EnumTable("REFUND_STATE_", pb.RefundState.Value, RefundState)
