import { PreciseDate } from "@google-cloud/precise-date";

import type { Timestamp } from "./generated/google/protobuf/timestamp.js";

const MILLISECONDS = 1_000;

/**
 * Converts a time, to the nanosecond if it is a PreciseDate, otherwise to the millisecond.
 *
 * @throws TypeError if the time is not a Date.
 * @throws RangeError if the time is an Invalid Date.
 */
export function timestampOf(name: string, time: unknown): Timestamp {
  if (!isDate(time)) {
    throw new TypeError(`${name} must be a Date, not ${time === null ? "null" : typeof time}`);
  }
  const milliseconds = time.getTime();
  if (Number.isNaN(milliseconds)) {
    throw new RangeError(`${name} must be a valid Date, not an Invalid Date`);
  }
  const seconds = Math.floor(milliseconds / MILLISECONDS);
  // This does not use instanceof, because the caller's PreciseDate may come from another copy of its package.
  const maybePrecise: Partial<PreciseDate> = time;
  const microseconds = maybePrecise.getMicroseconds?.() ?? 0;
  const nanoseconds = maybePrecise.getNanoseconds?.() ?? 0;
  return {
    seconds: BigInt(seconds),
    nanos: (milliseconds - seconds * MILLISECONDS) * 1_000_000 + microseconds * 1_000 + nanoseconds,
  };
}

/** Unlike `instanceof`, this also accepts the Date of another realm, such as a frame. */
function isDate(time: unknown): time is Date {
  return Object.prototype.toString.call(time) === "[object Date]";
}

/** Converts a timestamp exactly. */
export function timeOf(timestamp: Timestamp): PreciseDate {
  const { nanos } = timestamp;
  const time = new PreciseDate(Number(timestamp.seconds) * MILLISECONDS + Math.floor(nanos / 1_000_000));
  time.setMicroseconds(Math.floor(nanos / 1_000) % 1_000);
  time.setNanoseconds(nanos % 1_000);
  return time;
}
