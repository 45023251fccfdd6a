"""The outcomes that a ``payment_source`` chooses."""

from dataclasses import dataclass

from payments_client.v1 import payments_pb2 as pb


@dataclass(frozen=True)
class Outcome:
    """The outcome of a charge or a refund: a success, unless it has a ``failure``.

    An outcome with a ``delay_seconds`` above zero is pending until then. With ``needs_approval``, it is pending because
    the payer must approve the charge.
    """

    failure: "pb.Failure.ValueType" = pb.FAILURE_UNSPECIFIED
    code: str = ""
    delay_seconds: float = 0
    needs_approval: bool = False

    @property
    def failure_code(self) -> str:
        """The processor's own code for the failure: by default, the lower-case name of the failure."""
        if not self.failure:
            return ""
        return self.code or pb.Failure.Name(self.failure).removeprefix("FAILURE_").lower()


DISPUTE_DELAY_SECONDS = 5.0


@dataclass(frozen=True)
class Source:
    """What happens to a charge with this source, and to each refund of it.

    With a ``late_refund``, a refund gets this outcome after the first one. With a ``dispute``, the payment is disputed
    ``DISPUTE_DELAY_SECONDS`` after the charge, and the dispute gets this status as long after that.
    """

    charge: Outcome = Outcome()
    refund: Outcome = Outcome()
    late_refund: Outcome | None = None
    dispute: "pb.DisputeStatus.ValueType" = pb.DISPUTE_STATUS_UNSPECIFIED


SOURCES = {
    "sim_success": Source(),
    "sim_insufficient_funds": Source(Outcome(pb.FAILURE_INSUFFICIENT_FUNDS)),
    "sim_expired_method": Source(Outcome(pb.FAILURE_EXPIRED_METHOD)),
    "sim_invalid_method": Source(Outcome(pb.FAILURE_INVALID_METHOD)),
    "sim_authentication_required": Source(Outcome(pb.FAILURE_AUTHENTICATION_REQUIRED)),
    "sim_fraud": Source(Outcome(pb.FAILURE_SUSPECTED_FRAUD)),
    "sim_limit_exceeded": Source(Outcome(pb.FAILURE_LIMIT_EXCEEDED)),
    "sim_declined": Source(Outcome(pb.FAILURE_DECLINED)),
    "sim_processor_error": Source(Outcome(pb.FAILURE_PROCESSOR_ERROR)),
    "sim_pending_5s": Source(Outcome(delay_seconds=5)),
    "sim_pending_5s_declined": Source(Outcome(pb.FAILURE_DECLINED, delay_seconds=5)),
    "sim_approval_5s": Source(Outcome(delay_seconds=5, needs_approval=True)),
    "sim_approval_5s_refused": Source(
        Outcome(pb.FAILURE_AUTHENTICATION_REQUIRED, delay_seconds=5, needs_approval=True)
    ),
    "sim_timeout": Source(Outcome(pb.FAILURE_PROCESSOR_ERROR, "timeout", delay_seconds=30)),
    "sim_refund_fails": Source(refund=Outcome(pb.FAILURE_DECLINED)),
    "sim_refund_pending_5s": Source(refund=Outcome(delay_seconds=5)),
    "sim_refund_fails_after_5s": Source(late_refund=Outcome(pb.FAILURE_DECLINED, delay_seconds=5)),
    "sim_dispute_5s_won": Source(dispute=pb.DISPUTE_STATUS_WON),
    "sim_dispute_5s_lost": Source(dispute=pb.DISPUTE_STATUS_LOST),
}
"""Each ``payment_source`` of the contract."""
