import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import {
  DeadlineExceeded,
  Decimal,
  grpc,
  InternalError,
  InvalidRequest,
  OrderHasPendingPayment,
  OutcomeUnknown,
  Overloaded,
  PaymentArchived,
  PaymentDisputed,
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

/** Returns the client's error when the service fails a charge with `fault`. A short timeout limits the retries. */
async function errorOf(t: TestContext, fault: Fault, requestId?: string): Promise<PaymentsError> {
  const service = await startService(t, {
    charge: () => {
      throw fault;
    },
  });
  const client = clientOf(t, { target: service.target, channelOptions: { "grpc.enable_retries": 0 } });
  const params = { orderId: 1, amount: new Decimal(1), requestId };
  return client.charge(params, { timeoutSeconds: 1 }).then(
    () => assert.fail("the charge did not fail"),
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
  ["PAYMENT_DISPUTED", status.FAILED_PRECONDITION, PaymentDisputed],
  ["PAYMENT_ARCHIVED", status.FAILED_PRECONDITION, PaymentArchived],
  ["REFUND_EXCEEDS_PAYMENT", status.FAILED_PRECONDITION, RefundExceedsPayment],
  ["REQUEST_ID_REUSED", status.ALREADY_EXISTS, RequestIdReused],
  ["ORDER_HAS_PENDING_PAYMENT", status.FAILED_PRECONDITION, OrderHasPendingPayment],
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
  test(`the reason ${reason} becomes ${kind.name}`, async (t) => {
    const error = await errorOf(t, faultWith(code, [errorInfo(reason)], { message: "human-readable" }));
    assert.equal(error.constructor, kind);
    assert.deepEqual(
      [error.name, error.code, error.reason, error.message],
      [kind.name, code, reason, "human-readable"],
    );
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
  test(`without a reason, the status ${status[code]} becomes ${kind.name}`, async (t) => {
    const error = await errorOf(t, new Fault(code, "a message from gRPC"));
    assert.equal(error.constructor, kind);
    assert.deepEqual([error.code, error.reason, error.message], [code, "", "a message from gRPC"]);
  });
}

for (const kind of [Unavailable, Overloaded, DeadlineExceeded, InternalError]) {
  test(`${kind.name} is an OutcomeUnknown`, () => {
    assert.ok(new kind("no response") instanceof OutcomeUnknown);
  });
}

test("an error with an unknown reason keeps it and has the class of its status", async (t) => {
  const error = await errorOf(t, faultWith(status.INVALID_ARGUMENT, [errorInfo("NEWER_REASON")]));
  assert.equal(error.constructor, InvalidRequest);
  assert.equal(error.reason, "NEWER_REASON");
});

test("a reason from another domain is ignored", async (t) => {
  const info = errorInfo("PAYMENT_NOT_FOUND", { domain: "proxy.example" });
  const error = await errorOf(t, faultWith(status.NOT_FOUND, [info]));
  assert.equal(error.constructor, PaymentsError);
  assert.equal(error.reason, "");
});

test("the message of an error without one is its status", async (t) => {
  const error = await errorOf(t, new Fault(status.NOT_FOUND));
  assert.equal(error.message, "NOT_FOUND");
});

test("an invalid request has each violation", async (t) => {
  const violations = [
    { field: "amount.nanos", description: "must be a multiple of 10,000,000: INR has 2 decimals" },
    { field: "order_id", description: "must be 1 or more" },
  ];
  const error = await errorOf(
    t,
    faultWith(status.INVALID_ARGUMENT, [errorInfo("INVALID_REQUEST"), badRequest(...violations)]),
  );
  assert.ok(error instanceof InvalidRequest);
  assert.deepEqual(error.violations, violations);
});

test("the error of an order with a pending payment has the payment's id, and the charge is not retried", async (t) => {
  let charges = 0;
  const info = errorInfo("ORDER_HAS_PENDING_PAYMENT", { metadata: { call_id: "c", payment_id: "9007199254740993" } });
  const service = await startService(t, {
    charge: () => {
      charges += 1;
      throw faultWith(status.FAILED_PRECONDITION, [info]);
    },
  });
  const charge = clientOf(t, { target: service.target }).charge({
    orderId: 1,
    amount: new Decimal(1),
    requestId: "r-1",
  });
  await assert.rejects(charge, (error) => {
    assert.ok(error instanceof OrderHasPendingPayment);
    assert.deepEqual([error.paymentId, error.requestId], ["9007199254740993", "r-1"]);
    return true;
  });
  assert.equal(charges, 1);
});

test("the pending payment's id is empty if the service sent none, and other errors ignore it", async (t) => {
  const pending = await errorOf(t, faultWith(status.FAILED_PRECONDITION, [errorInfo("ORDER_HAS_PENDING_PAYMENT")]));
  assert.ok(pending instanceof OrderHasPendingPayment);
  assert.equal(pending.paymentId, "");
  const other = errorInfo("PAYMENT_PENDING", { metadata: { payment_id: "7" } });
  assert.ok(!("paymentId" in (await errorOf(t, faultWith(status.FAILED_PRECONDITION, [other])))));
});

test("an error has the call_id from its trailer, the retry delay and its cause", async (t) => {
  const fault = faultWith(status.NOT_FOUND, [retryInfo(1.5)], { trailers: { "x-request-id": "call-7" } });
  const error = await errorOf(t, fault);
  assert.equal(error.callId, "call-7");
  assert.equal(error.retryAfterSeconds, 1.5);
  assert.equal((error.cause as grpc.ServiceError).code, status.NOT_FOUND);
});

test("an error without trailers has no call_id and no retry delay", async (t) => {
  const error = await errorOf(t, new Fault(status.NOT_FOUND, "gone"));
  assert.equal(error.callId, undefined);
  assert.equal(error.retryAfterSeconds, undefined);
});

test("the error of a charge has the given request_id", async (t) => {
  const error = await errorOf(t, new Fault(status.NOT_FOUND), "order-342");
  assert.equal(error.requestId, "order-342");
});

test("the error of a refund has the generated request_id", async (t) => {
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

test("the error of a read-only call has no request_id", async (t) => {
  const service = await startService(t, {
    getPayment: () => {
      throw new Fault(status.NOT_FOUND);
    },
  });
  await assert.rejects(clientOf(t, { target: service.target }).getPayment({ paymentId: 1 }), { requestId: undefined });
});

test("truncated details do not hide the error", async (t) => {
  const fault = faultWith(status.NOT_FOUND, [errorInfo("PAYMENT_NOT_FOUND")]);
  const [trailer] = fault.metadata.get("grpc-status-details-bin") as [Buffer];
  const truncated = trailersOf({ "grpc-status-details-bin": trailer.subarray(0, -5), "x-request-id": "call-7" });
  const error = await errorOf(t, new Fault(status.NOT_FOUND, "payment not found", truncated));
  assert.deepEqual([error.code, error.message, error.callId], [status.NOT_FOUND, "payment not found", "call-7"]);
  assert.equal(error.reason, "");
});

test("a malformed detail does not hide the other details", async (t) => {
  const malformed = detail("google.rpc.BadRequest", Buffer.from([0x0a, 0x7f, 0x01]));
  const error = await errorOf(
    t,
    faultWith(status.INVALID_ARGUMENT, [malformed, errorInfo("INVALID_REQUEST"), retryInfo(2)]),
  );
  assert.ok(error instanceof InvalidRequest);
  assert.deepEqual([error.reason, error.retryAfterSeconds, error.violations], ["INVALID_REQUEST", 2, []]);
});

test("an error can be created without a call, as in a caller's test", () => {
  const error = new RequestIdReused("reused", { requestId: "order-342" });
  assert.deepEqual(
    [error.name, error.message, error.requestId, error.code],
    ["RequestIdReused", "reused", "order-342", status.UNKNOWN],
  );
  assert.ok(!("cause" in error));
});
