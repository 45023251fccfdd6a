import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Decimal,
  grpc,
  InvalidRequest,
  OutcomeUnknown,
  PaymentsError,
  RequestIdReused,
  OrderHasPendingPayment,
} from "@payments/client";
import { type BatchChargeRequest, BatchChargeResponse, PaymentMethod } from "@payments/client/v1";

import { badRequest, errorInfo } from "./details.js";
import { clientOf, Fault, startService } from "./service.js";

const { status } = grpc;

test("a batch is one call with the charges in order, each with its given or a generated request_id", async (t) => {
  const service = await startService(t);
  await clientOf(t, { target: service.target }).batchCharge([
    { orderId: 1, amount: new Decimal("5.50"), currency: "INR", method: "UPI", requestId: "order-1" },
    { externalReference: "ORD-2", amount: new Decimal(6), labels: { channel: "web" }, unlessPending: true },
    { orderId: 3n, amount: new Decimal(7), paymentSource: "pm_1", returnUrl: "https://shop.example/orders/3" },
  ]);
  const [first, second, third] = (service.calls[0]?.request as BatchChargeRequest).charges;
  assert.deepEqual(first, {
    orderId: 1n,
    amount: { currencyCode: "INR", units: 5n, nanos: 500_000_000 },
    method: PaymentMethod.UPI,
    requestId: "order-1",
    externalReference: "",
    customerId: "",
    labels: {},
    paymentSource: "",
    unlessPending: false,
    returnUrl: "",
  });
  assert.deepEqual([second?.orderId, third?.orderId], [0n, 3n]);
  assert.deepEqual(
    [second?.externalReference, second?.labels, second?.unlessPending],
    ["ORD-2", { channel: "web" }, true],
  );
  assert.deepEqual([third?.paymentSource, third?.returnUrl], ["pm_1", "https://shop.example/orders/3"]);
  assert.equal(new Set(["order-1", undefined, second?.requestId, third?.requestId]).size, 4);
  assert.equal(service.calls.length, 1);
});

test("a batch returns the payment or error of each charge, the error with the charge's request_id", async (t) => {
  const violation = { field: "amount", description: "must be more than zero" };
  const response = BatchChargeResponse.fromPartial({
    results: [
      { payment: { paymentId: 403n } },
      {
        error: {
          code: status.INVALID_ARGUMENT,
          message: "amount: must be more than zero",
          details: [errorInfo("INVALID_REQUEST"), badRequest(violation)],
        },
      },
      { error: { code: status.ALREADY_EXISTS, details: [errorInfo("REQUEST_ID_REUSED")] } },
      { error: { code: 99, message: "from a newer service" } },
      {
        error: {
          code: status.FAILED_PRECONDITION,
          details: [errorInfo("ORDER_HAS_PENDING_PAYMENT", { metadata: { payment_id: "9007199254740993" } })],
        },
      },
    ],
  });
  const service = await startService(t, { batchCharge: () => response });
  const charge = (requestId: string) => ({ orderId: 1, amount: new Decimal(1), requestId });
  const charges = ["a", "b", "c", "d", "e"].map(charge);
  const [payment, invalid, reused, newer, pending] = await clientOf(t, { target: service.target }).batchCharge(charges);
  assert.ok(payment !== undefined && !(payment instanceof PaymentsError));
  assert.equal(payment.paymentId, "403");
  assert.ok(invalid instanceof InvalidRequest);
  assert.deepEqual(
    [invalid.code, invalid.reason, invalid.requestId],
    [status.INVALID_ARGUMENT, "INVALID_REQUEST", "b"],
  );
  assert.deepEqual([invalid.message, invalid.violations], ["amount: must be more than zero", [violation]]);
  assert.ok(reused instanceof RequestIdReused);
  assert.deepEqual([reused.requestId, reused.message], ["c", "ALREADY_EXISTS"]);
  assert.ok(newer instanceof OutcomeUnknown);
  assert.deepEqual([newer.requestId, newer.code, newer.message], ["d", status.UNKNOWN, "from a newer service"]);
  assert.ok(pending instanceof OrderHasPendingPayment);
  assert.deepEqual([pending.requestId, pending.paymentId], ["e", "9007199254740993"]);
});

test("a batch is retried with the same request_ids", async (t) => {
  let failures = 0;
  const service = await startService(t, {
    batchCharge: () => {
      failures += 1;
      if (failures <= 6) {
        throw new Fault(status.UNAVAILABLE);
      }
      return BatchChargeResponse.fromPartial({ results: [{ payment: {} }, { payment: {} }] });
    },
  });
  const charges = [
    { orderId: 1, amount: new Decimal(1) },
    { orderId: 2, amount: new Decimal(2) },
  ];
  await clientOf(t, { target: service.target }).batchCharge(charges, { timeoutSeconds: 30 });
  const requestIds = service.calls.flatMap((call) =>
    (call.request as BatchChargeRequest).charges.map((charge) => charge.requestId),
  );
  assert.equal(requestIds.length, 14);
  assert.equal(new Set(requestIds).size, 2);
});

test("the outcome is unknown if the number of results differs from the number of charges", async (t) => {
  for (const count of [0, 1, 3]) {
    const results = Array.from({ length: count }, () => ({ payment: {} }));
    const service = await startService(t, { batchCharge: () => BatchChargeResponse.fromPartial({ results }) });
    const charge = { orderId: 1, amount: new Decimal(1) };
    await assert.rejects(clientOf(t, { target: service.target }).batchCharge([charge, charge]), OutcomeUnknown);
  }
});
