/** Everything that a call can reject with for an answer of the service, or for want of one: a tree under PaymentsError. */
import { status } from "@grpc/grpc-js";

/** What is known of an error, all of it optional, so that one can be made in a test. */
export interface PaymentsErrorDetails {
  code?: status | undefined;
  reason?: string | undefined;
  requestId?: string | undefined;
  callId?: string | undefined;
  retryAfterSeconds?: number | undefined;
  violations?: readonly FieldViolation[] | undefined;
  cause?: unknown;
}

/** One thing wrong with a request: the path of the field in it (`amount.nanos`), and what is allowed there. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** A call was not answered as asked; the message says why, for people. */
export class PaymentsError extends Error {
  /** The gRPC status: `grpc.status.NOT_FOUND` and so on. */
  readonly code: status;
  /** The contract's stable word for what happened (`PAYMENT_NOT_FOUND`); empty when the service gave none. */
  readonly reason: string;
  /** The idempotency key that the charge or refund was sent with; undefined for calls that only read. */
  readonly requestId: string | undefined;
  /** Names the call in the service's log (the trailer `x-request-id`); undefined when the service gave none. */
  readonly callId: string | undefined;
  /** How long the service asked to wait before another attempt; undefined when it did not. */
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, details: PaymentsErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = new.target.name;
    this.code = details.code ?? status.UNKNOWN;
    this.reason = details.reason ?? "";
    this.requestId = details.requestId;
    this.callId = details.callId;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/** The service refuses the request as it is. */
export class InvalidRequest extends PaymentsError {
  /** What is wrong with it, 20 things at most. */
  readonly violations: readonly FieldViolation[];

  constructor(message: string, details: PaymentsErrorDetails = {}) {
    super(message, details);
    this.violations = details.violations ?? [];
  }
}

/** There is no such payment. */
export class PaymentNotFound extends PaymentsError {}

/** The payment to refund had failed: nothing was charged. */
export class PaymentFailed extends PaymentsError {}

/** It is not known yet whether the payment to refund succeeds. */
export class PaymentPending extends PaymentsError {}

/** The payment to refund is so old that it was archived: an operator has to bring it back first. */
export class PaymentArchived extends PaymentsError {}

/** More was asked back than what remains of the payment, or nothing remains. */
export class RefundExceedsPayment extends PaymentsError {}

/** The same request_id came before with other parameters. */
export class RequestIdReused extends PaymentsError {}

/**
 * What came after the token of a watch is no longer kept, or the token is of another database.
 *
 * Begin without one, and list the payments for what was missed.
 */
export class ResumeTokenExpired extends PaymentsError {}

/** It is not said who calls, or not in a way that is believed: a key is missing, unknown, revoked or expired. */
export class Unauthenticated extends PaymentsError {}

/** The caller does not have the role that the call needs, which the message names. */
export class PermissionDenied extends PaymentsError {}

/**
 * The call ended without an answer that tells whether it was done.
 *
 * A charge or refund may have been done all the same, also by an attempt before the last: repeat it with the same
 * `requestId` to find out, and to have it done once.
 */
export class OutcomeUnknown extends PaymentsError {}

/** The service, or its database, could not be reached until the call's deadline. */
export class Unavailable extends OutcomeUnknown {}

/** The service had more to do than it takes on at once, or of this caller at a time, until the call's deadline. */
export class Overloaded extends OutcomeUnknown {}

/** The call's deadline passed before its answer came. */
export class DeadlineExceeded extends OutcomeUnknown {}

/** The service failed; its log has the cause under `callId`. */
export class InternalError extends OutcomeUnknown {}
