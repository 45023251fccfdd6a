/** The gRPC status codes, which the code for browsers shares, so that it does not need `@grpc/grpc-js`. */
import type { status as GrpcStatus } from "@grpc/grpc-js";

/** A gRPC status code. */
export type status = GrpcStatus;

const NUMBERS: Readonly<Record<Exclude<keyof typeof GrpcStatus, number>, number>> = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
};

/** The codes by name, and the names by code, like `grpc.status`. */
export const status = Object.assign(
  Object.fromEntries(Object.entries(NUMBERS).map(([name, code]) => [code, name])),
  NUMBERS,
) as unknown as typeof GrpcStatus;

const CODES: ReadonlyMap<number, status> = new Map(
  Object.values(status)
    .filter((code) => typeof code === "number")
    .map((code) => [code, code]),
);

/** Returns the status code with this number, or UNKNOWN if there is none. */
export function codeOf(number: number): status {
  return CODES.get(number) ?? status.UNKNOWN;
}
