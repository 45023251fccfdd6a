import { types } from "node:util";

import { PreciseDate } from "@google-cloud/precise-date";

import type { Timestamp } from "./generated/google/protobuf/timestamp.js";

const MILLISECONDS = 1_000;

/**
 * A time as the contract has it: to the nanosecond if it is a PreciseDate, else to the millisecond.
 *
 * @throws TypeError it is no Date.
 * @throws RangeError it is an Invalid Date, which is no moment.
 */
export function timestampOf(name: string, time: unknown): Timestamp {
  if (!types.isDate(time)) {
    throw new TypeError(`${name} must be a Date, not ${time === null ? "null" : typeof time}`);
  }
  const milliseconds = time.getTime();
  if (Number.isNaN(milliseconds)) {
    throw new RangeError(`${name} must be a moment, not an Invalid Date`);
  }
  const seconds = Math.floor(milliseconds / MILLISECONDS);
  // Asked for by name: the caller's PreciseDate may be of another copy of its package than ours.
  const finer: Partial<PreciseDate> = time;
  const microseconds = finer.getMicroseconds?.() ?? 0;
  const nanoseconds = finer.getNanoseconds?.() ?? 0;
  return {
    seconds: BigInt(seconds),
    nanos: (milliseconds - seconds * MILLISECONDS) * 1_000_000 + microseconds * 1_000 + nanoseconds,
  };
}

/** The time exactly. */
export function timeOf(timestamp: Timestamp): PreciseDate {
  const { nanos } = timestamp;
  const time = new PreciseDate(Number(timestamp.seconds) * MILLISECONDS + Math.floor(nanos / 1_000_000));
  time.setMicroseconds(Math.floor(nanos / 1_000) % 1_000);
  time.setNanoseconds(nanos % 1_000);
  return time;
}
