import assert from "node:assert/strict";
import { test } from "node:test";

import {
  DeadlineExceeded,
  grpc,
  InternalError,
  InvalidRequest,
  OutcomeUnknown,
  Overloaded,
  PaymentsError,
  PermissionDenied,
  ResumeTokenExpired,
  Unauthenticated,
  Unavailable,
} from "@payments/client";

import { Resumptions } from "#dist/retries.js";

const { status } = grpc;
const unavailable = (retryAfterSeconds?: number) =>
  new Unavailable("down", { code: status.UNAVAILABLE, retryAfterSeconds });

/** Returns a Resumptions object with a clock that only the test advances. */
function resumptionsOf(timeoutSeconds: number) {
  const clock = { seconds: 100 };
  const resumptions = new Resumptions(
    timeoutSeconds,
    () => clock.seconds,
    () => 1,
  );
  return { resumptions, clock };
}

function errorThrownFor(resumptions: Resumptions, error?: PaymentsError): unknown {
  try {
    resumptions.delaySeconds(error);
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

for (const [error, isResumable] of [
  [unavailable(), true],
  [new Overloaded("busy", { code: status.RESOURCE_EXHAUSTED }), true],
  [new OutcomeUnknown("connection lost", { code: status.CANCELLED }), true],
  [new InternalError("connection lost", { code: status.INTERNAL }), true],
  [new InternalError("a bug", { code: status.INTERNAL, callId: "call-7" }), false],
  [new OutcomeUnknown("connection lost", { code: status.UNKNOWN }), true],
  [new OutcomeUnknown("a bug", { code: status.UNKNOWN, callId: "call-7" }), false],
  [new DeadlineExceeded("late", { code: status.DEADLINE_EXCEEDED }), true],
  [new DeadlineExceeded("late", { code: status.DEADLINE_EXCEEDED, callId: "call-7" }), false],
  [new PaymentsError("the message is too large", { code: status.RESOURCE_EXHAUSTED }), false],
  [new InvalidRequest("invalid", { code: status.INVALID_ARGUMENT }), false],
  [new ResumeTokenExpired("expired", { code: status.FAILED_PRECONDITION }), false],
  [new Unauthenticated("no credentials", { code: status.UNAUTHENTICATED }), false],
  [new PermissionDenied("no role", { code: status.PERMISSION_DENIED }), false],
] as const) {
  const source = error.callId === undefined ? "" : " from the service";
  const outcome = isResumable ? "resumes the watch" : "ends the watch";
  test(`a stream that ends with ${error.name}, ${status[error.code]}${source} ${outcome}`, () => {
    assert.equal(errorThrownFor(resumptionsOf(Infinity).resumptions, error), isResumable ? undefined : error);
  });
}

test("the delays between streams grow and include the service's retry delay, until it responds", () => {
  const { resumptions } = resumptionsOf(60);
  const delays = [unavailable(), undefined, unavailable(2)].map((error) => resumptions.delaySeconds(error));
  assert.deepEqual(delays, [0.1, 0.2, 2.4]);
  resumptions.recordResponse();
  assert.equal(resumptions.delaySeconds(), 0.1);
});

test("the last error is thrown when the service has been unreachable for too long", () => {
  const { resumptions, clock } = resumptionsOf(10);
  resumptions.delaySeconds(unavailable());
  clock.seconds += 9.9;
  const last = unavailable();
  assert.equal(errorThrownFor(resumptions, last), last);
});

test("the previous error is thrown if the last one is only that the deadline passed", () => {
  const { resumptions, clock } = resumptionsOf(10);
  const failure = unavailable();
  resumptions.delaySeconds(failure);
  clock.seconds += 10;
  assert.equal(errorThrownFor(resumptions, new DeadlineExceeded("late", { code: status.DEADLINE_EXCEEDED })), failure);
});

test("a watch whose streams keep ending without an error fails with Unavailable", () => {
  const { resumptions, clock } = resumptionsOf(10);
  resumptions.delaySeconds();
  clock.seconds += 10;
  assert.ok(errorThrownFor(resumptions) instanceof Unavailable);
});

test("each response restarts the timeout", () => {
  const { resumptions, clock } = resumptionsOf(10);
  assert.equal(resumptions.remainingSeconds(), 10);
  for (let response = 0; response < 5; response += 1) {
    clock.seconds += 8;
    resumptions.recordResponse();
    resumptions.delaySeconds(unavailable());
    assert.equal(resumptions.remainingSeconds(), 10);
  }
});

test("without a timeout, the watch never gives up", () => {
  const { resumptions, clock } = resumptionsOf(Infinity);
  resumptions.delaySeconds(unavailable());
  clock.seconds += 1e9;
  assert.equal(errorThrownFor(resumptions, unavailable(3_600)), undefined);
  assert.equal(resumptions.remainingSeconds(), Infinity);
});
