import assert from "node:assert/strict";
import { test } from "node:test";

import {
  DeadlineExceeded,
  grpc,
  InvalidRequest,
  OutcomeUnknown,
  Overloaded,
  type PaymentsError,
  Unavailable,
} from "@payments/client";

import { Attempts } from "#dist/retries.js";

const { status } = grpc;
const unavailable = (retryAfterSeconds?: number) =>
  new Unavailable("down", { code: status.UNAVAILABLE, retryAfterSeconds });

/** Attempts by a clock that stands still unless told. */
function attemptsOf(timeoutSeconds: number, jitter = 1) {
  const clock = { seconds: 100 };
  const attempts = new Attempts(
    timeoutSeconds,
    () => clock.seconds,
    () => jitter,
  );
  return { attempts, clock };
}

function raised(attempts: Attempts, error: PaymentsError): unknown {
  try {
    attempts.delaySeconds(error);
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

test("the backoff doubles from 0.1 to 1 second", () => {
  const { attempts } = attemptsOf(60);
  const delays = Array.from({ length: 6 }, () => attempts.delaySeconds(unavailable()));
  assert.deepEqual(delays, [0.1, 0.2, 0.4, 0.8, 1, 1]);
});

test("the delay is a random part of the backoff", () => {
  const { attempts } = attemptsOf(60, 0.25);
  assert.deepEqual([attempts.delaySeconds(unavailable()), attempts.delaySeconds(unavailable())], [0.025, 0.05]);
});

test("the delay is what the service asked for, and the backoff on top", () => {
  const { attempts } = attemptsOf(60);
  assert.equal(attempts.delaySeconds(unavailable(2)), 2.1);
});

test("what remains is the time until the deadline, less than nothing after it", () => {
  const { attempts, clock } = attemptsOf(10);
  clock.seconds += 4;
  assert.equal(attempts.remainingSeconds(), 6);
  clock.seconds += 7;
  assert.equal(attempts.remainingSeconds(), -1);
});

test("an error is final when the deadline would pass before the next attempt", () => {
  const { attempts } = attemptsOf(2);
  const error = unavailable(1.9);
  assert.equal(raised(attempts, error), error);
});

for (const [error, passes] of [
  [new Overloaded("busy", { code: status.RESOURCE_EXHAUSTED }), true],
  [new OutcomeUnknown("cut", { code: status.CANCELLED }), true],
  [new OutcomeUnknown("odd", { code: status.UNKNOWN }), false],
  [new InvalidRequest("wrong", { code: status.INVALID_ARGUMENT }), false],
  [new DeadlineExceeded("late", { code: status.DEADLINE_EXCEEDED }), false],
] as const) {
  test(`${error.name} with ${status[error.code]} is ${passes ? "tried again" : "final"}`, () => {
    assert.equal(raised(attemptsOf(60).attempts, error), passes ? undefined : error);
  });
}

test("when the deadline cuts an attempt after a failure, that failure is the error", () => {
  const { attempts } = attemptsOf(60);
  const failure = unavailable();
  attempts.delaySeconds(failure);
  assert.equal(raised(attempts, new DeadlineExceeded("late", { code: status.DEADLINE_EXCEEDED })), failure);
});
