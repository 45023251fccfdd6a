import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import {
  DeadlineExceeded,
  Decimal,
  grpc,
  InternalError,
  InvalidRequest,
  OutcomeUnknown,
  Overloaded,
  PaymentArchived,
  PaymentFailed,
  PaymentNotFound,
  PaymentPending,
  PaymentsError,
  RefundExceedsPayment,
  PermissionDenied,
  RequestIdReused,
  ResumeTokenExpired,
  Unauthenticated,
  Unavailable,
} from "@payments/client";

import { badRequest, detail, errorInfo, faultWith, retryInfo, trailersOf } from "./details.js";
import { clientOf, Fault, startService } from "./service.js";

const { status } = grpc;

/** What a charge rejects with when the service answers with `fault`; short, so that errors that pass are not repeated long. */
async function errorOf(t: TestContext, fault: Fault, requestId?: string): Promise<PaymentsError> {
  const service = await startService(t, {
    charge: () => {
      throw fault;
    },
  });
  const client = clientOf(t, { target: service.target, channelOptions: { "grpc.enable_retries": 0 } });
  const params = { orderId: 1, amount: new Decimal(1), requestId };
  return client.charge(params, { timeoutSeconds: 0.3 }).then(
    () => assert.fail("it did not fail"),
    (error: unknown) => {
      assert.ok(error instanceof PaymentsError);
      return error;
    },
  );
}

const BY_REASON: [reason: string, code: grpc.status, kind: typeof PaymentsError][] = [
  ["INVALID_REQUEST", status.INVALID_ARGUMENT, InvalidRequest],
  ["PAYMENT_NOT_FOUND", status.NOT_FOUND, PaymentNotFound],
  ["PAYMENT_FAILED", status.FAILED_PRECONDITION, PaymentFailed],
  ["PAYMENT_PENDING", status.FAILED_PRECONDITION, PaymentPending],
  ["PAYMENT_ARCHIVED", status.FAILED_PRECONDITION, PaymentArchived],
  ["REFUND_EXCEEDS_PAYMENT", status.FAILED_PRECONDITION, RefundExceedsPayment],
  ["REQUEST_ID_REUSED", status.ALREADY_EXISTS, RequestIdReused],
  ["RESUME_TOKEN_EXPIRED", status.FAILED_PRECONDITION, ResumeTokenExpired],
  ["PROCESSOR_UNAVAILABLE", status.UNAVAILABLE, Unavailable],
  ["STORE_UNAVAILABLE", status.UNAVAILABLE, Unavailable],
  ["SHUTTING_DOWN", status.UNAVAILABLE, Unavailable],
  ["READER_TOO_SLOW", status.UNAVAILABLE, Unavailable],
  ["CREDENTIALS_MISSING", status.UNAUTHENTICATED, Unauthenticated],
  ["API_KEY_INVALID", status.UNAUTHENTICATED, Unauthenticated],
  ["CERTIFICATE_INVALID", status.UNAUTHENTICATED, Unauthenticated],
  ["ROLE_MISSING", status.PERMISSION_DENIED, PermissionDenied],
  ["ORIGIN_NOT_ALLOWED", status.PERMISSION_DENIED, PermissionDenied],
  ["OVERLOADED", status.RESOURCE_EXHAUSTED, Overloaded],
  ["RATE_LIMITED", status.RESOURCE_EXHAUSTED, Overloaded],
  ["TOO_MANY_WATCHES", status.RESOURCE_EXHAUSTED, Overloaded],
  ["CALL_TOO_LONG", status.DEADLINE_EXCEEDED, DeadlineExceeded],
  ["DEADLINE_EXCEEDED", status.DEADLINE_EXCEEDED, DeadlineExceeded],
  ["INTERNAL", status.INTERNAL, InternalError],
];

for (const [reason, code, kind] of BY_REASON) {
  test(`the reason ${reason} is the error ${kind.name}`, async (t) => {
    const error = await errorOf(t, faultWith(code, [errorInfo(reason)], { message: "for people" }));
    assert.equal(error.constructor, kind);
    assert.deepEqual([error.name, error.code, error.reason, error.message], [kind.name, code, reason, "for people"]);
  });
}

const BY_CODE: [code: grpc.status, kind: typeof PaymentsError][] = [
  [status.INVALID_ARGUMENT, InvalidRequest],
  [status.UNAVAILABLE, Unavailable],
  [status.DEADLINE_EXCEEDED, DeadlineExceeded],
  [status.INTERNAL, InternalError],
  [status.CANCELLED, OutcomeUnknown],
  [status.UNKNOWN, OutcomeUnknown],
  [status.RESOURCE_EXHAUSTED, PaymentsError],
  [status.UNAUTHENTICATED, Unauthenticated],
  [status.PERMISSION_DENIED, PermissionDenied],
];

for (const [code, kind] of BY_CODE) {
  test(`without a reason, the status ${status[code]} is the error ${kind.name}`, async (t) => {
    const error = await errorOf(t, new Fault(code, "as gRPC says"));
    assert.equal(error.constructor, kind);
    assert.deepEqual([error.code, error.reason, error.message], [code, "", "as gRPC says"]);
  });
}

for (const kind of [Unavailable, Overloaded, DeadlineExceeded, InternalError]) {
  test(`${kind.name} is an OutcomeUnknown`, () => {
    assert.ok(new kind("no answer") instanceof OutcomeUnknown);
  });
}

test("a reason that is not known here leaves the class to the status, and is told", async (t) => {
  const error = await errorOf(t, faultWith(status.INVALID_ARGUMENT, [errorInfo("NEWER_REASON")]));
  assert.equal(error.constructor, InvalidRequest);
  assert.equal(error.reason, "NEWER_REASON");
});

test("a reason of another domain is not the service's", async (t) => {
  const info = errorInfo("PAYMENT_NOT_FOUND", "proxy.example");
  const error = await errorOf(t, faultWith(status.NOT_FOUND, [info]));
  assert.equal(error.constructor, PaymentsError);
  assert.equal(error.reason, "");
});

test("an error without a message has its status as one", async (t) => {
  const error = await errorOf(t, new Fault(status.NOT_FOUND));
  assert.equal(error.message, "NOT_FOUND");
});

test("an invalid request has each violation", async (t) => {
  const violations = [
    { field: "amount.nanos", description: "must have at most two decimals" },
    { field: "order_id", description: "must be 1 or more" },
  ];
  const error = await errorOf(
    t,
    faultWith(status.INVALID_ARGUMENT, [errorInfo("INVALID_REQUEST"), badRequest(...violations)]),
  );
  assert.ok(error instanceof InvalidRequest);
  assert.deepEqual(error.violations, violations);
});

test("an error has the call_id of its trailer, how long to wait, and its cause", async (t) => {
  const fault = faultWith(status.NOT_FOUND, [retryInfo(1.5)], { trailers: { "x-request-id": "ticket-7" } });
  const error = await errorOf(t, fault);
  assert.equal(error.callId, "ticket-7");
  assert.equal(error.retryAfterSeconds, 1.5);
  assert.equal((error.cause as grpc.ServiceError).code, status.NOT_FOUND);
});

test("an error without trailers has no call_id, and no time to wait", async (t) => {
  const error = await errorOf(t, new Fault(status.NOT_FOUND, "gone"));
  assert.equal(error.callId, undefined);
  assert.equal(error.retryAfterSeconds, undefined);
});

test("the error of a charge has the request_id that was given", async (t) => {
  const error = await errorOf(t, new Fault(status.NOT_FOUND), "order-342");
  assert.equal(error.requestId, "order-342");
});

test("the error of a refund has the request_id that was made for it", async (t) => {
  const service = await startService(t, {
    refund: () => {
      throw new Fault(status.NOT_FOUND);
    },
  });
  await assert.rejects(clientOf(t, { target: service.target }).refund({ paymentId: 1 }), (error) => {
    assert.ok(error instanceof PaymentsError);
    assert.equal(error.requestId, (service.calls[0]?.request as { requestId: string }).requestId);
    return true;
  });
});

test("the error of a call that only reads has no request_id", async (t) => {
  const service = await startService(t, {
    getPayment: () => {
      throw new Fault(status.NOT_FOUND);
    },
  });
  await assert.rejects(clientOf(t, { target: service.target }).getPayment({ paymentId: 1 }), { requestId: undefined });
});

test("details that are cut do not hide the error", async (t) => {
  const whole = faultWith(status.NOT_FOUND, [errorInfo("PAYMENT_NOT_FOUND")]);
  const [trailer] = whole.metadata.get("grpc-status-details-bin") as [Buffer];
  const cut = trailersOf({ "grpc-status-details-bin": trailer.subarray(0, -5), "x-request-id": "ticket-7" });
  const error = await errorOf(t, new Fault(status.NOT_FOUND, "payment not found", cut));
  assert.deepEqual([error.code, error.message, error.callId], [status.NOT_FOUND, "payment not found", "ticket-7"]);
  assert.equal(error.reason, "");
});

test("one detail that is broken does not hide the others", async (t) => {
  const broken = detail("google.rpc.BadRequest", Buffer.from([0x0a, 0x7f, 0x01]));
  const error = await errorOf(
    t,
    faultWith(status.INVALID_ARGUMENT, [broken, errorInfo("INVALID_REQUEST"), retryInfo(2)]),
  );
  assert.ok(error instanceof InvalidRequest);
  assert.deepEqual([error.reason, error.retryAfterSeconds, error.violations], ["INVALID_REQUEST", 2, []]);
});

test("an error can be made by hand, as in a test of a caller", () => {
  const error = new RequestIdReused("reused", { requestId: "order-342" });
  assert.deepEqual(
    [error.name, error.message, error.requestId, error.code],
    ["RequestIdReused", "reused", "order-342", status.UNKNOWN],
  );
  assert.ok(!("cause" in error));
});
