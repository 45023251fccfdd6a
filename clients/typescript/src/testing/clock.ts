/** Times of the fake, with microseconds, as the service has them. */
import type { Timestamp } from "../generated/google/protobuf/timestamp.js";
import { timestampOf } from "../times.js";

const NANOS_PER_MICROSECOND = 1_000;

/** Returns the time of a clock. @throws TypeError or RangeError if the clock does not return a valid Date. */
export function timeNow(now: () => Date): Timestamp {
  const { seconds, nanos } = timestampOf("the result of now()", now());
  return { seconds, nanos: nanos - (nanos % NANOS_PER_MICROSECOND) };
}

export function plusSeconds({ seconds, nanos }: Timestamp, more: number): Timestamp {
  return { seconds: seconds + BigInt(more), nanos };
}

/** Returns how many milliseconds after `start` a time is, rounded up. It may be negative. */
export function millisecondsAfter(start: Timestamp, time: Timestamp): number {
  return Number(time.seconds - start.seconds) * 1_000 + Math.ceil((time.nanos - start.nanos) / 1_000_000);
}

/** Compares times for `Array.sort`. */
export function compareTimes(one: Timestamp, other: Timestamp): number {
  return Number(one.seconds - other.seconds) || one.nanos - other.nanos;
}
