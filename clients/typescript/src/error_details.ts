/** From gRPC's errors, with their `google.rpc` details, to the client's. */
import { type ServiceError, status } from "@grpc/grpc-js";

import {
  DeadlineExceeded,
  InternalError,
  InvalidRequest,
  OutcomeUnknown,
  Overloaded,
  PaymentFailed,
  PaymentNotFound,
  PaymentPending,
  PaymentsError,
  RefundExceedsPayment,
  RequestIdReused,
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
  ["REFUND_EXCEEDS_PAYMENT", RefundExceedsPayment],
  ["REQUEST_ID_REUSED", RequestIdReused],
  ["STORE_UNAVAILABLE", Unavailable],
  ["SHUTTING_DOWN", Unavailable],
  ["OVERLOADED", Overloaded],
  ["DEADLINE_EXCEEDED", DeadlineExceeded],
  ["INTERNAL", InternalError],
]);

/** For errors without a reason that is known here: made by gRPC itself, by a proxy, or by a newer service. */
const BY_CODE: ReadonlyMap<status, typeof PaymentsError> = new Map([
  [status.INVALID_ARGUMENT, InvalidRequest],
  [status.UNAVAILABLE, Unavailable],
  [status.DEADLINE_EXCEEDED, DeadlineExceeded],
  [status.INTERNAL, InternalError],
  [status.CANCELLED, OutcomeUnknown],
  [status.UNKNOWN, OutcomeUnknown],
]);

/**
 * The error for a failed RPC, caused by `rpcError`.
 *
 * Its class follows the reason in the error's `google.rpc.ErrorInfo` (AIP-193), else the status code.
 */
export function errorFromRpc(rpcError: ServiceError, requestId: string | undefined): PaymentsError {
  const { code, metadata } = rpcError;
  const details = detailsOf(metadata.get("grpc-status-details-bin")[0]);
  const reason = details.errorInfos.find((info) => info.domain === DOMAIN)?.reason ?? "";
  const callId = metadata.get("x-request-id")[0];
  const kind = BY_REASON.get(reason) ?? BY_CODE.get(code) ?? PaymentsError;
  return new kind(rpcError.details || status[code], {
    code,
    reason,
    requestId,
    callId: typeof callId === "string" ? callId : undefined,
    retryAfterSeconds: secondsOf(details.retryInfos[0]?.retryDelay),
    violations: details.badRequests.flatMap((badRequest) =>
      badRequest.fieldViolations.map(({ field, description }) => ({ field, description })),
    ),
    cause: rpcError,
  });
}

/**
 * The details of a `grpc-status-details-bin` trailer: none when there is no such trailer, or it is broken.
 *
 * A broken trailer, as of a proxy that cut it, must not hide the error that it came with.
 */
function detailsOf(trailer: string | Buffer | undefined) {
  const all = Buffer.isBuffer(trailer) ? (readable(Status, trailer)?.details ?? []) : [];
  return {
    errorInfos: ofKind("google.rpc.ErrorInfo", ErrorInfo, all),
    retryInfos: ofKind("google.rpc.RetryInfo", RetryInfo, all),
    badRequests: ofKind("google.rpc.BadRequest", BadRequest, all),
  };
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
