/** PaymentsError and its subclasses, with which a call rejects if the service returns an error or does not respond. */
import { status } from "./codes.js";

/** The details of an error. All are optional, so that a test can create one. */
export interface PaymentsErrorDetails {
  code?: status | undefined;
  reason?: string | undefined;
  requestId?: string | undefined;
  callId?: string | undefined;
  retryAfterSeconds?: number | undefined;
  violations?: readonly FieldViolation[] | undefined;
  paymentId?: string | undefined;
  cause?: unknown;
}

/** An invalid field of a request: its path (`amount.nanos`), and a description of the allowed values. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** The JSON of an error: its properties, without its stack and its cause. */
export interface PaymentsErrorJson {
  name: string;
  message: string;
  code: status;
  reason: string;
  requestId: string | undefined;
  callId: string | undefined;
  retryAfterSeconds: number | undefined;
  /** Set only for an {@link InvalidRequest}. */
  violations?: readonly FieldViolation[];
  /** Set only for an {@link OrderHasPendingPayment}. */
  paymentId?: string;
}

/**
 * A call failed. The message is human-readable.
 *
 * This class and its subclasses state their names, because the bundlers of web pages shorten the names of classes.
 */
export class PaymentsError extends Error {
  static override readonly name: string = "PaymentsError";

  /** The gRPC status code, such as `grpc.status.NOT_FOUND`. */
  readonly code: status;
  /** The stable identifier from the contract (`PAYMENT_NOT_FOUND`). Empty if the service sent none. */
  readonly reason: string;
  /** The idempotency key that the charge or refund was sent with. Undefined for calls that only read. */
  readonly requestId: string | undefined;
  /** Identifies the call in the service's log (the trailer `x-request-id`). Undefined if the service sent none. */
  readonly callId: string | undefined;
  /** How long the service asked to wait before a retry. Undefined if it did not ask. */
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

  /** Returns the properties for `JSON.stringify`, which would otherwise omit the message. */
  toJSON(): PaymentsErrorJson {
    const { name, message, code, reason, requestId, callId, retryAfterSeconds } = this;
    return { name, message, code, reason, requestId, callId, retryAfterSeconds };
  }
}

/** The request is invalid. */
export class InvalidRequest extends PaymentsError {
  static override readonly name: string = "InvalidRequest";

  /** Its invalid fields, at most 20. */
  readonly violations: readonly FieldViolation[];

  constructor(message: string, details: PaymentsErrorDetails = {}) {
    super(message, details);
    this.violations = details.violations ?? [];
  }

  override toJSON(): PaymentsErrorJson {
    return { ...super.toJSON(), violations: this.violations };
  }
}

/** The payment does not exist. */
export class PaymentNotFound extends PaymentsError {
  static override readonly name: string = "PaymentNotFound";
}

/** The payment cannot be refunded because its charge failed: nothing was charged. */
export class PaymentFailed extends PaymentsError {
  static override readonly name: string = "PaymentFailed";
}

/** The payment cannot be refunded yet, because the outcome of its charge is not known. */
export class PaymentPending extends PaymentsError {
  static override readonly name: string = "PaymentPending";
}

/**
 * The payment cannot be refunded, because the payer disputes it, or got the money back through a dispute.
 *
 * Otherwise the payer could get the money twice. Once the dispute is won, the payment can be refunded.
 */
export class PaymentDisputed extends PaymentsError {
  static override readonly name: string = "PaymentDisputed";
}

/** The payment is archived. An operator must unarchive it before it can be refunded. */
export class PaymentArchived extends PaymentsError {
  static override readonly name: string = "PaymentArchived";
}

/** The amount exceeds the amount not yet refunded, or nothing is left to refund. */
export class RefundExceedsPayment extends PaymentsError {
  static override readonly name: string = "RefundExceedsPayment";
}

/** An earlier call used the same request_id with different parameters. */
export class RequestIdReused extends PaymentsError {
  static override readonly name: string = "RequestIdReused";
}

/** The charge had `unlessPending`, and another payment of the order is pending. Nothing was charged. */
export class OrderHasPendingPayment extends PaymentsError {
  static override readonly name: string = "OrderHasPendingPayment";

  /** The id of the pending payment. Empty if the service sent none. */
  readonly paymentId: string;

  constructor(message: string, details: PaymentsErrorDetails = {}) {
    super(message, details);
    this.paymentId = details.paymentId ?? "";
  }

  override toJSON(): PaymentsErrorJson {
    return { ...super.toJSON(), paymentId: this.paymentId };
  }
}

/**
 * Events after the resume token have been archived, or the database was restored to a time before it.
 *
 * Start without a token, and list the payments to find the missed changes.
 */
export class ResumeTokenExpired extends PaymentsError {
  static override readonly name: string = "ResumeTokenExpired";
}

/** The credentials are missing or invalid, for example an unknown, revoked or expired API key. */
export class Unauthenticated extends PaymentsError {
  static override readonly name: string = "Unauthenticated";
}

/** The caller lacks the role that the message names. */
export class PermissionDenied extends PaymentsError {
  static override readonly name: string = "PermissionDenied";
}

/**
 * The call failed without a response that says whether it took effect.
 *
 * A charge or refund may have been made, by any of the attempts. Retry the call with the same `requestId` to get the
 * outcome; the charge or refund is made only once.
 */
export class OutcomeUnknown extends PaymentsError {
  static override readonly name: string = "OutcomeUnknown";
}

/** The service, its database or its payment processor could not be reached before the call's deadline. */
export class Unavailable extends OutcomeUnknown {
  static override readonly name: string = "Unavailable";
}

/** The service was overloaded, or the caller exceeded its limits, until the call's deadline. */
export class Overloaded extends OutcomeUnknown {
  static override readonly name: string = "Overloaded";
}

/** The call's deadline passed before the response arrived. */
export class DeadlineExceeded extends OutcomeUnknown {
  static override readonly name: string = "DeadlineExceeded";
}

/** The service had an internal error. Its log has the cause under `callId`. */
export class InternalError extends OutcomeUnknown {
  static override readonly name: string = "InternalError";
}
