/** Converts gRPC errors, with their `google.rpc` details, to the client's errors. */
import { codeOf, status } from "./codes.js";
import {
  DeadlineExceeded,
  InternalError,
  InvalidRequest,
  OrderHasPendingPayment,
  OutcomeUnknown,
  Overloaded,
  PaymentArchived,
  PaymentDisputed,
  PaymentFailed,
  PaymentNotFound,
  PaymentPending,
  PaymentsError,
  type PaymentsErrorDetails,
  RefundExceedsPayment,
  PermissionDenied,
  RequestIdReused,
  ResumeTokenExpired,
  Unauthenticated,
  Unavailable,
} from "./errors.js";
import type { Any } from "./generated/google/protobuf/any.js";
import type { Duration } from "./generated/google/protobuf/duration.js";
import { BadRequest, ErrorInfo, RetryInfo } from "./generated/google/rpc/error_details.js";
import { Status } from "./generated/google/rpc/status.js";
import type { RpcError } from "./stub.js";

/** The service's ErrorInfo domain. Reasons of other domains, such as a proxy's, are ignored. */
const DOMAIN = "payments";

const BY_REASON: ReadonlyMap<string, typeof PaymentsError> = new Map([
  ["INVALID_REQUEST", InvalidRequest],
  ["PAYMENT_NOT_FOUND", PaymentNotFound],
  ["PAYMENT_FAILED", PaymentFailed],
  ["PAYMENT_PENDING", PaymentPending],
  ["PAYMENT_DISPUTED", PaymentDisputed],
  ["PAYMENT_ARCHIVED", PaymentArchived],
  ["REFUND_EXCEEDS_PAYMENT", RefundExceedsPayment],
  ["REQUEST_ID_REUSED", RequestIdReused],
  ["ORDER_HAS_PENDING_PAYMENT", OrderHasPendingPayment],
  ["RESUME_TOKEN_EXPIRED", ResumeTokenExpired],
  ["STORE_UNAVAILABLE", Unavailable],
  ["PROCESSOR_UNAVAILABLE", Unavailable],
  ["SHUTTING_DOWN", Unavailable],
  ["READER_TOO_SLOW", Unavailable],
  ["CREDENTIALS_MISSING", Unauthenticated],
  ["API_KEY_INVALID", Unauthenticated],
  ["CERTIFICATE_INVALID", Unauthenticated],
  ["ROLE_MISSING", PermissionDenied],
  ["ORIGIN_NOT_ALLOWED", PermissionDenied],
  ["OVERLOADED", Overloaded],
  ["RATE_LIMITED", Overloaded],
  ["TOO_MANY_WATCHES", Overloaded],
  ["DEADLINE_EXCEEDED", DeadlineExceeded],
  ["CALL_TOO_LONG", DeadlineExceeded],
  ["INTERNAL", InternalError],
]);

/** For errors without a known reason, which come from gRPC itself, a proxy or a newer version of the service. */
const BY_CODE: ReadonlyMap<status, typeof PaymentsError> = new Map([
  [status.INVALID_ARGUMENT, InvalidRequest],
  [status.UNAUTHENTICATED, Unauthenticated],
  [status.PERMISSION_DENIED, PermissionDenied],
  [status.UNAVAILABLE, Unavailable],
  [status.DEADLINE_EXCEEDED, DeadlineExceeded],
  [status.INTERNAL, InternalError],
  [status.CANCELLED, OutcomeUnknown],
  [status.UNKNOWN, OutcomeUnknown],
]);

/**
 * Returns the error for a failed RPC, with `rpcError` as its cause.
 *
 * The reason in the error's `google.rpc.ErrorInfo` (AIP-193) determines its class. Without a known reason, the status
 * code does.
 */
export function errorFromRpc(rpcError: RpcError, requestId: string | undefined): PaymentsError {
  const { code, metadata } = rpcError;
  const callId = metadata.get("x-request-id")[0];
  return errorOf(code, rpcError.details, detailsOf(trailerDetails(metadata.get("grpc-status-details-bin")[0])), {
    requestId,
    callId: typeof callId === "string" ? callId : undefined,
    cause: rpcError,
  });
}

/** Returns the error for the status of one charge in a batch's response. */
export function errorFromStatus(error: Status, requestId: string | undefined): PaymentsError {
  const details = detailsOf(error.details);
  const callId = details.errorInfo?.metadata["call_id"];
  return errorOf(codeOf(error.code), error.message, details, { requestId, callId });
}

function errorOf(
  code: status,
  message: string,
  details: Details,
  extra: Pick<PaymentsErrorDetails, "requestId" | "callId" | "cause">,
): PaymentsError {
  const reason = details.errorInfo?.reason ?? "";
  const kind = BY_REASON.get(reason) ?? BY_CODE.get(code) ?? PaymentsError;
  return new kind(message || status[code], {
    ...extra,
    code,
    reason,
    retryAfterSeconds: secondsOf(details.retryInfo?.retryDelay),
    paymentId: details.errorInfo?.metadata["payment_id"],
    violations: details.badRequests.flatMap((badRequest) =>
      badRequest.fieldViolations.map(({ field, description }) => ({ field, description })),
    ),
  });
}

interface Details {
  readonly errorInfo: ErrorInfo | undefined;
  readonly retryInfo: RetryInfo | undefined;
  readonly badRequests: readonly BadRequest[];
}

/** Returns the details of the known types. It ignores an ErrorInfo that is not from the service. */
function detailsOf(all: readonly Any[]): Details {
  return {
    errorInfo: ofKind("google.rpc.ErrorInfo", ErrorInfo, all).find((info) => info.domain === DOMAIN),
    retryInfo: ofKind("google.rpc.RetryInfo", RetryInfo, all)[0],
    badRequests: ofKind("google.rpc.BadRequest", BadRequest, all),
  };
}

/**
 * Returns the details in a `grpc-status-details-bin` trailer, or none if the trailer is missing or malformed.
 *
 * A malformed trailer, for example one that a proxy truncated, must not hide the error itself.
 */
function trailerDetails(trailer: string | Uint8Array | undefined): readonly Any[] {
  return typeof trailer === "object" ? (decodeOrUndefined(Status, trailer)?.details ?? []) : [];
}

interface Decoder<Message> {
  decode(bytes: Uint8Array): Message;
}

/** Returns the `details` of one type that can be decoded. */
function ofKind<Message>(kind: string, decoder: Decoder<Message>, details: readonly Any[]): Message[] {
  return details
    .filter((detail) => detail.typeUrl.endsWith(`/${kind}`))
    .map((detail) => decodeOrUndefined(decoder, detail.value))
    .filter((message) => message !== undefined);
}

function decodeOrUndefined<Message>(decoder: Decoder<Message>, bytes: Uint8Array): Message | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function secondsOf(duration: Duration | undefined): number | undefined {
  return duration && Number(duration.seconds) + duration.nanos / 1e9;
}
