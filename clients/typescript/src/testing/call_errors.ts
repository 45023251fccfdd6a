/** The errors of the calls of the fake, with the codes, reasons, texts and details of those of the service. */
import { status } from "../codes.js";
import type { FieldViolation } from "../errors.js";
import type { Any } from "../generated/google/protobuf/any.js";
import { BadRequest, ErrorInfo } from "../generated/google/rpc/error_details.js";
import type { Status } from "../generated/google/rpc/status.js";

const DOMAIN = "payments";
const MAX_VIOLATIONS = 20;

/** An error with which a call, or a charge of a batch, ends. */
export class CallError extends Error {
  readonly #violations: readonly FieldViolation[];
  readonly #metadata: Readonly<Record<string, string>>;

  constructor(
    readonly code: status,
    readonly reason: string,
    message: string,
    { violations = [], metadata = {} }: { violations?: FieldViolation[]; metadata?: Record<string, string> } = {},
  ) {
    super(message);
    this.#violations = violations;
    this.#metadata = metadata;
  }

  /** Returns the status of the error, in the call with this id. */
  status(callId: string): Status {
    const metadata = { call_id: callId, ...this.#metadata };
    const info = ErrorInfo.encode({ reason: this.reason, domain: DOMAIN, metadata }).finish();
    const details = [detail("google.rpc.ErrorInfo", info)];
    if (this.#violations.length > 0) {
      const badRequest = BadRequest.fromPartial({ fieldViolations: this.#violations.slice(0, MAX_VIOLATIONS) });
      details.push(detail("google.rpc.BadRequest", BadRequest.encode(badRequest).finish()));
    }
    return { code: this.code, message: this.message, details };
  }
}

/** The request breaks the contract, at least in one field. The message describes the first violation. */
export function invalidRequest(first: FieldViolation, ...others: FieldViolation[]): CallError {
  const more = others.length > 0 ? ` (and ${others.length} more)` : "";
  const violations = [first, ...others];
  const message = `${first.field}: ${first.description}${more}`;
  return new CallError(status.INVALID_ARGUMENT, "INVALID_REQUEST", message, { violations });
}

export function paymentNotFound(): CallError {
  return new CallError(status.NOT_FOUND, "PAYMENT_NOT_FOUND", "payment not found");
}

export function requestIdReused(rpc: string, requestId: string): CallError {
  const message = `request_id '${requestId}' came before, in a ${rpc} with other parameters`;
  return new CallError(status.ALREADY_EXISTS, "REQUEST_ID_REUSED", message);
}

export function orderHasPendingPayment(paymentId: bigint): CallError {
  const message = `payment ${paymentId} of this order is pending; charge the order once it has its outcome`;
  const metadata = { payment_id: paymentId.toString() };
  return new CallError(status.FAILED_PRECONDITION, "ORDER_HAS_PENDING_PAYMENT", message, { metadata });
}

export function paymentFailed(): CallError {
  return new CallError(status.FAILED_PRECONDITION, "PAYMENT_FAILED", "payment failed; there is nothing to refund");
}

export function paymentPending(): CallError {
  const message = "payment is pending; it can be refunded once it has succeeded";
  return new CallError(status.FAILED_PRECONDITION, "PAYMENT_PENDING", message);
}

export function paymentDisputed(message: string): CallError {
  return new CallError(status.FAILED_PRECONDITION, "PAYMENT_DISPUTED", message);
}

export function refundExceedsPayment(message: string): CallError {
  return new CallError(status.FAILED_PRECONDITION, "REFUND_EXCEEDS_PAYMENT", message);
}

export function roleMissing(): CallError {
  const message = "the request_id of another caller requires the role payments.audit, which the caller lacks";
  return new CallError(status.PERMISSION_DENIED, "ROLE_MISSING", message);
}

export function canceled(): CallError {
  return new CallError(status.CANCELLED, "", "the call was canceled");
}

function detail(kind: string, bytes: Uint8Array): Any {
  // The code for Node.js declares a Buffer, but needs only the bytes.
  return { typeUrl: `type.googleapis.com/${kind}`, value: bytes as Buffer };
}
