/** Creates errors with `google.rpc` details, as the service returns them. */
import { grpc } from "@payments/client";

import { Any } from "#dist/generated/google/protobuf/any.js";
import { BadRequest, ErrorInfo, RetryInfo } from "#dist/generated/google/rpc/error_details.js";
import { Status } from "#dist/generated/google/rpc/status.js";

import { Fault } from "./service.js";

export function errorInfo(reason: string, rest: Partial<Omit<ErrorInfo, "reason">> = {}): Any {
  const info = { reason, domain: "payments", metadata: {}, ...rest };
  return detail("google.rpc.ErrorInfo", ErrorInfo.encode(info).finish());
}

export function retryInfo(seconds: number): Any {
  const retryDelay = { seconds: BigInt(Math.floor(seconds)), nanos: Math.round((seconds % 1) * 1e9) };
  return detail("google.rpc.RetryInfo", RetryInfo.encode({ retryDelay }).finish());
}

export function badRequest(...violations: { field: string; description: string }[]): Any {
  return detail(
    "google.rpc.BadRequest",
    BadRequest.encode(BadRequest.fromPartial({ fieldViolations: violations })).finish(),
  );
}

export function detail(kind: string, value: Uint8Array): Any {
  return Any.create({ typeUrl: `type.googleapis.com/${kind}`, value: Buffer.from(value) });
}

/** Returns an error with details and trailers. */
export function faultWith(
  code: grpc.status,
  details: Any[],
  { message = "an error of the test", trailers = {} }: { message?: string; trailers?: Record<string, string> } = {},
): Fault {
  const status = Status.encode(Status.create({ code, message, details })).finish();
  return new Fault(code, message, trailersOf({ ...trailers, "grpc-status-details-bin": Buffer.from(status) }));
}

export function trailersOf(trailers: Record<string, string | Buffer>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(trailers)) {
    metadata.set(name, value);
  }
  return metadata;
}
