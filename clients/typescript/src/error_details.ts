/** From gRPC's errors, with their `google.rpc` details, to the client's. */
import { type ServiceError, status } from "@grpc/grpc-js";

import {
  DeadlineExceeded,
  InternalError,
  InvalidRequest,
  OutcomeUnknown,
  Overloaded,
  PaymentArchived,
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

/** The ErrorInfo domain of the service; reasons of others, as a proxy's, are not ours to name. */
const DOMAIN = "payments";

const BY_REASON: ReadonlyMap<string, typeof PaymentsError> = new Map([
  ["INVALID_REQUEST", InvalidRequest],
  ["PAYMENT_NOT_FOUND", PaymentNotFound],
  ["PAYMENT_FAILED", PaymentFailed],
  ["PAYMENT_PENDING", PaymentPending],
  ["PAYMENT_ARCHIVED", PaymentArchived],
  ["REFUND_EXCEEDS_PAYMENT", RefundExceedsPayment],
  ["REQUEST_ID_REUSED", RequestIdReused],
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

/** For errors without a reason that is known here: made by gRPC itself, by a proxy, or by a newer service. */
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

/** The codes by their numbers. */
const CODES: ReadonlyMap<number, status> = new Map(
  Object.values(status)
    .filter((code) => typeof code === "number")
    .map((code) => [code, code]),
);

/**
 * The error for a failed RPC, caused by `rpcError`.
 *
 * Its class follows the reason in the error's `google.rpc.ErrorInfo` (AIP-193), else the status code.
 */
export function errorFromRpc(rpcError: ServiceError, requestId: string | undefined): PaymentsError {
  const { code, metadata } = rpcError;
  const callId = metadata.get("x-request-id")[0];
  return errorOf(code, rpcError.details, detailsOf(trailerDetails(metadata.get("grpc-status-details-bin")[0])), {
    requestId,
    callId: typeof callId === "string" ? callId : undefined,
    cause: rpcError,
  });
}

/** The error for a status inside an answer: that of one charge of many. */
export function errorFromStatus(error: Status, requestId: string | undefined): PaymentsError {
  const details = detailsOf(error.details);
  const callId = details.errorInfo?.metadata["call_id"];
  return errorOf(CODES.get(error.code) ?? status.UNKNOWN, error.message, details, { requestId, callId });
}

function errorOf(
  code: status,
  message: string,
  details: Details,
  known: Pick<PaymentsErrorDetails, "requestId" | "callId" | "cause">,
): PaymentsError {
  const reason = details.errorInfo?.reason ?? "";
  const kind = BY_REASON.get(reason) ?? BY_CODE.get(code) ?? PaymentsError;
  return new kind(message || status[code], {
    ...known,
    code,
    reason,
    retryAfterSeconds: secondsOf(details.retryInfo?.retryDelay),
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

/** What the details say that is of a kind known here, and of the service. */
function detailsOf(all: readonly Any[]): Details {
  return {
    errorInfo: ofKind("google.rpc.ErrorInfo", ErrorInfo, all).find((info) => info.domain === DOMAIN),
    retryInfo: ofKind("google.rpc.RetryInfo", RetryInfo, all)[0],
    badRequests: ofKind("google.rpc.BadRequest", BadRequest, all),
  };
}

/**
 * The details of a `grpc-status-details-bin` trailer: none when there is no such trailer, or it is broken.
 *
 * A broken trailer, as of a proxy that cut it, must not hide the error that it came with.
 */
function trailerDetails(trailer: string | Buffer | undefined): readonly Any[] {
  return Buffer.isBuffer(trailer) ? (readable(Status, trailer)?.details ?? []) : [];
}

interface Decoder<Message> {
  decode(bytes: Uint8Array): Message;
}

/** Those of `details` that are of one kind, leaving out what cannot be read. */
function ofKind<Message>(kind: string, decoder: Decoder<Message>, details: readonly Any[]): Message[] {
  return details
    .filter((detail) => detail.typeUrl.endsWith(`/${kind}`))
    .map((detail) => readable(decoder, detail.value))
    .filter((message) => message !== undefined);
}

function readable<Message>(decoder: Decoder<Message>, bytes: Uint8Array): Message | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function secondsOf(duration: Duration | undefined): number | undefined {
  return duration && Number(duration.seconds) + duration.nanos / 1e9;
}
