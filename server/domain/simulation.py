"""The payment sources with which callers choose the outcome of the simulated processor, as documented in the proto."""

from enum import StrEnum

PREFIX = "sim_"
"""Begins every simulated source. A real processor accepts no source with this prefix."""


class SimulatedSource(StrEnum):
    """A payment source of the simulated processor."""

    SUCCESS = "sim_success"
    INSUFFICIENT_FUNDS = "sim_insufficient_funds"
    EXPIRED_METHOD = "sim_expired_method"
    INVALID_METHOD = "sim_invalid_method"
    AUTHENTICATION_REQUIRED = "sim_authentication_required"
    FRAUD = "sim_fraud"
    LIMIT_EXCEEDED = "sim_limit_exceeded"
    DECLINED = "sim_declined"
    PROCESSOR_ERROR = "sim_processor_error"
    PENDING = "sim_pending_5s"
    PENDING_DECLINED = "sim_pending_5s_declined"
    APPROVAL = "sim_approval_5s"
    APPROVAL_REFUSED = "sim_approval_5s_refused"
    TIMEOUT = "sim_timeout"
    REFUND_FAILS = "sim_refund_fails"
    REFUND_PENDING = "sim_refund_pending_5s"
    REFUND_FAILS_LATE = "sim_refund_fails_after_5s"
    DISPUTE_WON = "sim_dispute_5s_won"
    DISPUTE_LOST = "sim_dispute_5s_lost"


DEFERRED_REFUNDS = (
    SimulatedSource.REFUND_FAILS,
    SimulatedSource.REFUND_PENDING,
    SimulatedSource.REFUND_FAILS_LATE,
)
"""The sources of payments whose refunds the simulated processor does not settle immediately."""
