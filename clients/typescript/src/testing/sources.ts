/** The simulated sources, each with the outcome that it gives to a charge and to the refunds of its payment. */
import { DisputeStatus, Failure } from "../generated/payments/v1/payments.js";

/** A `paymentSource` of a charge. `ChargeRequest.payment_source` in the proto describes each. */
export type SimulatedSource =
  | "sim_success"
  | "sim_insufficient_funds"
  | "sim_expired_method"
  | "sim_invalid_method"
  | "sim_authentication_required"
  | "sim_fraud"
  | "sim_limit_exceeded"
  | "sim_declined"
  | "sim_processor_error"
  | "sim_pending_5s"
  | "sim_pending_5s_declined"
  | "sim_approval_5s"
  | "sim_approval_5s_refused"
  | "sim_timeout"
  | "sim_refund_fails"
  | "sim_refund_pending_5s"
  | "sim_refund_fails_after_5s"
  | "sim_dispute_5s_won"
  | "sim_dispute_5s_lost";

/** What the processor answers, and after how many seconds. It succeeds if `failure` is UNSPECIFIED. */
export interface Outcome {
  readonly failure: Failure;
  readonly failureCode: string;
  readonly afterSeconds: number;
}

/** A dispute of the payment. Both times are seconds after the charge. */
export interface DisputePlan {
  readonly opensAfterSeconds: number;
  readonly closesAfterSeconds: number;
  readonly closesAs: DisputeStatus.WON | DisputeStatus.LOST;
}

export interface Source {
  readonly charge: Outcome;
  readonly refund: Outcome;
  /** Whether the payer must approve the payment, until the outcome of the charge. */
  readonly needsApproval?: boolean;
  /** How a refund fails after it succeeded. */
  readonly laterRefundFailure?: Outcome;
  readonly dispute?: DisputePlan;
}

const SUCCESS: Outcome = { failure: Failure.UNSPECIFIED, failureCode: "", afterSeconds: 0 };
const DECLINED = failing(Failure.DECLINED, "declined");
const NOT_AUTHENTICATED = failing(Failure.AUTHENTICATION_REQUIRED, "authentication_required");

const SOURCES: Readonly<Record<SimulatedSource, Source>> = {
  sim_success: charging(SUCCESS),
  sim_insufficient_funds: charging(failing(Failure.INSUFFICIENT_FUNDS, "insufficient_funds")),
  sim_expired_method: charging(failing(Failure.EXPIRED_METHOD, "expired_method")),
  sim_invalid_method: charging(failing(Failure.INVALID_METHOD, "invalid_method")),
  sim_authentication_required: charging(NOT_AUTHENTICATED),
  sim_fraud: charging(failing(Failure.SUSPECTED_FRAUD, "suspected_fraud")),
  sim_limit_exceeded: charging(failing(Failure.LIMIT_EXCEEDED, "limit_exceeded")),
  sim_declined: charging(DECLINED),
  sim_processor_error: charging(failing(Failure.PROCESSOR_ERROR, "processor_error")),
  sim_pending_5s: charging({ ...SUCCESS, afterSeconds: 5 }),
  sim_pending_5s_declined: charging({ ...DECLINED, afterSeconds: 5 }),
  sim_approval_5s: { ...charging({ ...SUCCESS, afterSeconds: 5 }), needsApproval: true },
  sim_approval_5s_refused: { ...charging({ ...NOT_AUTHENTICATED, afterSeconds: 5 }), needsApproval: true },
  // The service answers at the end of the call. The fake answers at once, so that a test does not have to wait.
  sim_timeout: charging({ ...failing(Failure.PROCESSOR_ERROR, "timeout"), afterSeconds: 30 }),
  sim_refund_fails: { charge: SUCCESS, refund: DECLINED },
  sim_refund_pending_5s: { charge: SUCCESS, refund: { ...SUCCESS, afterSeconds: 5 } },
  sim_refund_fails_after_5s: { ...charging(SUCCESS), laterRefundFailure: { ...DECLINED, afterSeconds: 5 } },
  sim_dispute_5s_won: { ...charging(SUCCESS), dispute: disputeThatCloses(DisputeStatus.WON) },
  sim_dispute_5s_lost: { ...charging(SUCCESS), dispute: disputeThatCloses(DisputeStatus.LOST) },
};

export const SOURCE_NAMES: readonly string[] = Object.keys(SOURCES);

/** Returns whether there is a source with this name. */
export function isSource(name: string): name is SimulatedSource {
  return Object.hasOwn(SOURCES, name);
}

/** Returns what a source does. */
export function sourceOf(source: SimulatedSource): Source {
  return SOURCES[source];
}

function charging(charge: Outcome): Source {
  return { charge, refund: SUCCESS };
}

function disputeThatCloses(closesAs: DisputePlan["closesAs"]): DisputePlan {
  return { opensAfterSeconds: 5, closesAfterSeconds: 10, closesAs };
}

function failing(failure: Failure, failureCode: string): Outcome {
  return { failure, failureCode, afterSeconds: 0 };
}
