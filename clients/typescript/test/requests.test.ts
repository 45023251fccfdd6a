import assert from "node:assert/strict";
import { test } from "node:test";

import { Decimal, type PaymentPage } from "@payments/client";
import {
  type ChargeRequest,
  GetPaymentResponse,
  ListPaymentsResponse,
  PaymentMethod,
  PaymentStatus,
  RefundResponse,
  RefundState,
} from "@payments/client/v1";

import { clientOf, startService } from "./service.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const inr = (units: bigint) => ({ currencyCode: "INR", units, nanos: 0 });

test("a charge sends all its parameters", async (t) => {
  const service = await startService(t);
  const client = clientOf(t, { target: service.target });
  await client.charge({
    orderId: 342,
    amount: new Decimal(561),
    currency: "INR",
    method: "COD",
    requestId: "order-342",
    externalReference: " ORD-342 ",
    customerId: "customer 7",
    labels: { channel: "web", note: "", Größe: "42" },
    paymentSource: "pm_1",
    unlessPending: true,
    returnUrl: "https://shop.example/orders/342",
  });
  assert.deepEqual(service.calls[0]?.request, {
    orderId: 342n,
    amount: inr(561n),
    method: PaymentMethod.COD,
    requestId: "order-342",
    externalReference: " ORD-342 ",
    customerId: "customer 7",
    labels: { channel: "web", note: "", Größe: "42" },
    paymentSource: "pm_1",
    unlessPending: true,
    returnUrl: "https://shop.example/orders/342",
  });
});

test("a charge may have an external_reference instead of an order_id, or neither, so that the service rejects it", async (t) => {
  const service = await startService(t);
  const client = clientOf(t, { target: service.target });
  await client.charge({ externalReference: "ORD-342", amount: new Decimal(1) });
  await client.charge({ amount: new Decimal(1) });
  const sent = service.calls.map((call) => call.request as ChargeRequest);
  assert.deepEqual(
    sent.map(({ orderId, externalReference }) => [orderId, externalReference]),
    [
      [0n, "ORD-342"],
      [0n, ""],
    ],
  );
});

test("a charge with only an order and an amount sends them and a generated request_id", async (t) => {
  const service = await startService(t);
  const client = clientOf(t, { target: service.target });
  await client.charge({ orderId: 1, amount: new Decimal(1) });
  await client.charge({
    orderId: 1,
    amount: new Decimal(1),
    currency: undefined,
    method: undefined,
    requestId: undefined,
    externalReference: undefined,
    customerId: undefined,
    labels: undefined,
    paymentSource: undefined,
    unlessPending: undefined,
    returnUrl: undefined,
  });
  const requests = service.calls.map((call) => call.request as ChargeRequest);
  for (const { requestId, ...request } of requests) {
    assert.match(requestId ?? "", UUID);
    assert.deepEqual(request, {
      orderId: 1n,
      amount: { currencyCode: "", units: 1n, nanos: 0 },
      method: PaymentMethod.UNSPECIFIED,
      externalReference: "",
      customerId: "",
      labels: {},
      paymentSource: "",
      unlessPending: false,
      returnUrl: "",
    });
  }
  assert.notEqual(requests[0]?.requestId, requests[1]?.requestId);
});

test("an empty request_id is sent unchanged, so that the service rejects it", async (t) => {
  const service = await startService(t);
  await clientOf(t, { target: service.target }).charge({ orderId: 1, amount: new Decimal(1), requestId: "" });
  assert.equal((service.calls[0]?.request as ChargeRequest).requestId, "");
});

test("a refund sends all its parameters", async (t) => {
  const service = await startService(t);
  await clientOf(t, { target: service.target }).refund({
    paymentId: 403n,
    amount: new Decimal(61),
    currency: "INR",
    reason: "one item was damaged",
    requestId: "refund-1",
  });
  assert.deepEqual(service.calls[0]?.request, {
    paymentId: 403n,
    amount: inr(61n),
    reason: "one item was damaged",
    requestId: "refund-1",
  });
});

test("a refund without amount and request_id sends no amount and a generated request_id", async (t) => {
  const service = await startService(t);
  await clientOf(t, { target: service.target }).refund({ paymentId: 403 });
  const { requestId, ...request } = service.calls[0]?.request as { requestId: string };
  assert.match(requestId, UUID);
  assert.deepEqual(request, { paymentId: 403n, amount: undefined, reason: "" });
});

test("a refund returns the refund and the updated payment", async (t) => {
  const response = RefundResponse.fromPartial({
    refund: { refundId: 19n, paymentId: 403n, amount: inr(61n), reason: "damaged", createTime: { seconds: 1n } },
    payment: { paymentId: 403n, reference: "ECI-1" },
  });
  const service = await startService(t, { refund: () => response });
  const { refund, payment } = await clientOf(t, { target: service.target }).refund({ paymentId: 403 });
  assert.deepEqual([refund?.refundId, refund?.paymentId, refund?.amount.toFixed()], ["19", "403", "61"]);
  assert.deepEqual([refund?.currency, refund?.reason, refund?.createTime.getTime()], ["INR", "damaged", 1_000]);
  assert.deepEqual([payment.paymentId, payment.reference], ["403", "ECI-1"]);
});

test("a payment is requested by its id, its reference or its request_id, and returned with its refunds", async (t) => {
  const response = GetPaymentResponse.fromPartial({
    payment: { paymentId: 403n },
    refunds: [{ refundId: 19n }, { refundId: 20n }],
    nextRefundsPageToken: "rest",
  });
  const service = await startService(t, { getPayment: () => response });
  const client = clientOf(t, { target: service.target });
  const { payment, refunds, nextRefundsPageToken } = await client.getPayment({ paymentId: 403 });
  await client.getPayment({ reference: "ECI-1" });
  await client.getPayment({ requestId: "order-342" });
  await client.getPayment({ requestId: "order-342", caller: "shop" });
  assert.deepEqual([payment.paymentId, ...refunds.map((refund) => refund.refundId)], ["403", "19", "20"]);
  assert.equal(nextRefundsPageToken, "rest");
  assert.deepEqual(
    service.calls.map((call) => call.request),
    [
      { paymentId: 403n, reference: undefined, requestId: undefined, caller: "" },
      { paymentId: undefined, reference: "ECI-1", requestId: undefined, caller: "" },
      { paymentId: undefined, reference: undefined, requestId: "order-342", caller: "" },
      { paymentId: undefined, reference: undefined, requestId: "order-342", caller: "shop" },
    ],
  );
});

test("a list sends all its conditions", async (t) => {
  const service = await startService(t);
  await clientOf(t, { target: service.target }).listPaymentsPage({
    orderId: 342,
    methods: new Set(["UPI", "OTHER"] as const),
    statuses: ["SUCCEEDED"],
    refundStates: ["PARTIAL", "NONE"],
    reference: "ECI-1",
    minAmount: new Decimal(1),
    maxAmount: new Decimal(2),
    currency: "INR",
    minCreateTime: new Date(1_000),
    maxCreateTime: new Date(2_000),
    requestId: "order-342",
    caller: "shop",
    processorReference: "ch_1",
    externalReference: "ORD-342",
    customerId: "customer 7",
    orderBy: "create_time asc",
    pageSize: -1,
    pageToken: "next",
    includeTotalSize: true,
  });
  assert.deepEqual(service.calls[0]?.request, {
    filter: {
      orderId: 342n,
      methods: [PaymentMethod.UPI, PaymentMethod.OTHER],
      statuses: [PaymentStatus.SUCCEEDED],
      refundStates: [RefundState.PARTIAL, RefundState.NONE],
      reference: "ECI-1",
      minAmount: inr(1n),
      maxAmount: inr(2n),
      minCreateTime: { seconds: 1n, nanos: 0 },
      maxCreateTime: { seconds: 2n, nanos: 0 },
      requestId: "order-342",
      caller: "shop",
      processorReference: "ch_1",
      externalReference: "ORD-342",
      customerId: "customer 7",
    },
    orderBy: "create_time asc",
    pageSize: -1,
    pageToken: "next",
    includeTotalSize: true,
  });
});

test("a page has its payments, the next page's token, and a total size only if the service sent one", async (t) => {
  const responses = [
    ListPaymentsResponse.fromPartial({
      payments: [{ paymentId: 1n }, { paymentId: 2n }],
      nextPageToken: "two",
      totalSize: 3n,
    }),
    ListPaymentsResponse.fromPartial({ payments: [{ paymentId: 3n }] }),
  ];
  const service = await startService(t, { listPayments: () => responses.shift() ?? assert.fail("a third page") });
  const client = clientOf(t, { target: service.target });
  const ids = (page: PaymentPage) => page.payments.map((payment) => payment.paymentId);
  const first = await client.listPaymentsPage();
  assert.deepEqual([ids(first), first.nextPageToken, first.totalSize], [["1", "2"], "two", 3]);
  const second = await client.listPaymentsPage({ pageToken: "two" });
  assert.deepEqual([ids(second), second.nextPageToken, second.totalSize], [["3"], "", undefined]);
});
