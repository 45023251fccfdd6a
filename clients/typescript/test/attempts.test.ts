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

/** Returns an Attempts object with a clock that only the test advances. */
function attemptsOf(timeoutSeconds: number, jitter = 1) {
  const clock = { seconds: 100 };
  const attempts = new Attempts(
    timeoutSeconds,
    () => clock.seconds,
    () => jitter,
  );
  return { attempts, clock };
}

function errorThrownFor(attempts: Attempts, error: PaymentsError): unknown {
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

test("the delay is a random fraction of the backoff", () => {
  const { attempts } = attemptsOf(60, 0.25);
  assert.deepEqual([attempts.delaySeconds(unavailable()), attempts.delaySeconds(unavailable())], [0.025, 0.05]);
});

test("the delay is the service's retry delay plus the backoff", () => {
  const { attempts } = attemptsOf(60);
  assert.equal(attempts.delaySeconds(unavailable(2)), 2.1);
});

test("the remaining time is negative after the deadline", () => {
  const { attempts, clock } = attemptsOf(10);
  clock.seconds += 4;
  assert.equal(attempts.remainingSeconds(), 6);
  clock.seconds += 7;
  assert.equal(attempts.remainingSeconds(), -1);
});

test("there is no retry if the deadline would pass before it", () => {
  const { attempts } = attemptsOf(2);
  const error = unavailable(1.9);
  assert.equal(errorThrownFor(attempts, error), error);
});

for (const [error, isRetryable] of [
  [new Overloaded("busy", { code: status.RESOURCE_EXHAUSTED }), true],
  [new OutcomeUnknown("canceled", { code: status.CANCELLED }), true],
  [new OutcomeUnknown("unknown", { code: status.UNKNOWN }), false],
  [new InvalidRequest("invalid", { code: status.INVALID_ARGUMENT }), false],
  [new DeadlineExceeded("late", { code: status.DEADLINE_EXCEEDED }), false],
] as const) {
  test(`${error.name} with ${status[error.code]} is ${isRetryable ? "retried" : "not retried"}`, () => {
    assert.equal(errorThrownFor(attemptsOf(60).attempts, error), isRetryable ? undefined : error);
  });
}

test("if the deadline passes during a retry, the previous error is thrown", () => {
  const { attempts } = attemptsOf(60);
  const failure = unavailable();
  attempts.delaySeconds(failure);
  assert.equal(errorThrownFor(attempts, new DeadlineExceeded("late", { code: status.DEADLINE_EXCEEDED })), failure);
});
