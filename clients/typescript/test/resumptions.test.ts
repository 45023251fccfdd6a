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

/** Resumptions by a clock that stands still unless told. */
function resumptionsOf(timeoutSeconds: number) {
  const clock = { seconds: 100 };
  const resumptions = new Resumptions(
    timeoutSeconds,
    () => clock.seconds,
    () => 1,
  );
  return { resumptions, clock };
}

function raised(resumptions: Resumptions, error?: PaymentsError): unknown {
  try {
    resumptions.delaySeconds(error);
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

for (const [error, goesOn] of [
  [unavailable(), true],
  [new Overloaded("busy", { code: status.RESOURCE_EXHAUSTED }), true],
  [new OutcomeUnknown("cut", { code: status.CANCELLED }), true],
  [new InternalError("cut", { code: status.INTERNAL }), true],
  [new InternalError("broken", { code: status.INTERNAL, callId: "ticket-7" }), false],
  [new OutcomeUnknown("cut", { code: status.UNKNOWN }), true],
  [new OutcomeUnknown("odd", { code: status.UNKNOWN, callId: "ticket-7" }), false],
  [new DeadlineExceeded("late", { code: status.DEADLINE_EXCEEDED }), true],
  [new DeadlineExceeded("late", { code: status.DEADLINE_EXCEEDED, callId: "ticket-7" }), false],
  [new PaymentsError("a message too large", { code: status.RESOURCE_EXHAUSTED }), false],
  [new InvalidRequest("wrong", { code: status.INVALID_ARGUMENT }), false],
  [new ResumeTokenExpired("old", { code: status.FAILED_PRECONDITION }), false],
  [new Unauthenticated("who", { code: status.UNAUTHENTICATED }), false],
  [new PermissionDenied("no", { code: status.PERMISSION_DENIED }), false],
] as const) {
  const named = error.callId === undefined ? "" : " of the service's own";
  test(`a stream that ends with ${error.name}, ${status[error.code]}${named} is ${goesOn ? "gone on with" : "over"}`, () => {
    assert.equal(raised(resumptionsOf(Infinity).resumptions, error), goesOn ? undefined : error);
  });
}

test("the waits between streams grow and have what the service asked for, until it answers", () => {
  const { resumptions } = resumptionsOf(60);
  const delays = [unavailable(), undefined, unavailable(2)].map((error) => resumptions.delaySeconds(error));
  assert.deepEqual(delays, [0.1, 0.2, 2.4]);
  resumptions.received();
  assert.equal(resumptions.delaySeconds(), 0.1);
});

test("a stretch of failures ends with the last one when it has been too long", () => {
  const { resumptions, clock } = resumptionsOf(10);
  resumptions.delaySeconds(unavailable());
  clock.seconds += 9.9;
  const last = unavailable();
  assert.equal(raised(resumptions, last), last);
});

test("a stretch that only the clock ended is told by the failure before", () => {
  const { resumptions, clock } = resumptionsOf(10);
  const failure = unavailable();
  resumptions.delaySeconds(failure);
  clock.seconds += 10;
  assert.equal(raised(resumptions, new DeadlineExceeded("late", { code: status.DEADLINE_EXCEEDED })), failure);
});

test("streams that just end are a service out of reach when it is for too long", () => {
  const { resumptions, clock } = resumptionsOf(10);
  resumptions.delaySeconds();
  clock.seconds += 10;
  assert.ok(raised(resumptions) instanceof Unavailable);
});

test("a service that answers in between has the whole time each time", () => {
  const { resumptions, clock } = resumptionsOf(10);
  assert.equal(resumptions.remainingSeconds(), 10);
  for (let stretch = 0; stretch < 5; stretch += 1) {
    clock.seconds += 8;
    resumptions.received();
    resumptions.delaySeconds(unavailable());
    assert.equal(resumptions.remainingSeconds(), 10);
  }
});

test("without a limit there is always time", () => {
  const { resumptions, clock } = resumptionsOf(Infinity);
  resumptions.delaySeconds(unavailable());
  clock.seconds += 1e9;
  assert.equal(raised(resumptions, unavailable(3_600)), undefined);
  assert.equal(resumptions.remainingSeconds(), Infinity);
});
