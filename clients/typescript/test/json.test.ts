import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { inspect } from "node:util";

import {
  Decimal,
  grpc,
  InvalidRequest,
  OrderHasPendingPayment,
  PaymentNotFound,
  type Payment,
  type PaymentsClient,
  PaymentsError,
  PreciseDate,
} from "@payments/client";
import {
  BatchChargeResponse,
  ChargeResponse,
  DisputeStatus,
  Failure,
  GetPaymentResponse,
  ListPaymentEventsResponse,
  ListPaymentsResponse,
  ListRefundsResponse,
  NextActionType,
  PaymentEventType,
  PaymentMethod,
  PaymentStatus,
  RefundResponse,
  RefundState,
  RefundStatus,
  WatchPaymentsResponse,
} from "@payments/client/v1";

import { badRequest, errorInfo, faultWith } from "./details.js";
import { clientOf, hang, startService } from "./service.js";

const PAYMENT_ID = 2n ** 53n + 1n;
const inr = (units: bigint, nanos = 0) => ({ currencyCode: "INR", units, nanos });
const createTime = { seconds: 1_795_490_155n, nanos: 362_775_000 };

const PAYMENT = {
  paymentId: PAYMENT_ID,
  orderId: 342n,
  amount: inr(561n),
  method: PaymentMethod.UPI,
  status: PaymentStatus.SUCCEEDED,
  reference: "ECI-1",
  createTime,
  refundedAmount: inr(100n, 500_000_000),
  refundState: RefundState.PARTIAL,
  caller: "shop",
  requestId: "order-342",
  externalReference: "ORD-342",
  customerId: "customer 7",
  labels: { channel: "web" },
};
const PAYMENT_JSON = {
  paymentId: "9007199254740993",
  orderId: "342",
  amount: "561",
  currency: "INR",
  method: "UPI",
  otherMethod: "",
  status: "SUCCEEDED",
  reference: "ECI-1",
  createTime: "2026-11-24T03:15:55.362775000Z",
  refundedAmount: "100.5",
  refundState: "PARTIAL",
  caller: "shop",
  requestId: "order-342",
  processorReference: "",
  failureCode: "",
  externalReference: "ORD-342",
  customerId: "customer 7",
  labels: { channel: "web" },
};
const REFUND = {
  refundId: 19n,
  paymentId: PAYMENT_ID,
  amount: inr(100n, 500_000_000),
  status: RefundStatus.FAILED,
  reason: "damaged",
  createTime,
  caller: "shop",
  requestId: "refund-1",
  processorReference: "re_1",
  failure: Failure.DECLINED,
  failureCode: "declined",
};
const REFUND_JSON = {
  refundId: "19",
  paymentId: "9007199254740993",
  amount: "100.5",
  currency: "INR",
  status: "FAILED",
  reason: "damaged",
  createTime: "2026-11-24T03:15:55.362775000Z",
  caller: "shop",
  requestId: "refund-1",
  processorReference: "re_1",
  failure: "DECLINED",
  failureCode: "declined",
};
const EVENT = {
  type: PaymentEventType.REFUNDED,
  eventTime: createTime,
  payment: PAYMENT,
  refund: REFUND,
  caller: "shop",
  requestId: "r-1",
};
const EVENT_JSON = {
  type: "REFUNDED",
  eventTime: "2026-11-24T03:15:55.362775000Z",
  payment: PAYMENT_JSON,
  refund: REFUND_JSON,
  caller: "shop",
  requestId: "r-1",
};

/** Returns a client of a service that returns the payment, its refund and its event from every call. */
async function clientOfService(t: TestContext): Promise<PaymentsClient> {
  const service = await startService(t, {
    charge: () => ChargeResponse.fromPartial({ payment: PAYMENT }),
    batchCharge: () =>
      BatchChargeResponse.fromPartial({
        results: [
          { payment: PAYMENT },
          { error: { code: grpc.status.INVALID_ARGUMENT, message: "no", details: [errorInfo("INVALID_REQUEST")] } },
        ],
      }),
    refund: () => RefundResponse.fromPartial({ refund: REFUND, payment: PAYMENT }),
    getPayment: () =>
      GetPaymentResponse.fromPartial({ payment: PAYMENT, refunds: [REFUND], nextRefundsPageToken: "rest" }),
    listRefunds: () => ListRefundsResponse.fromPartial({ refunds: [REFUND] }),
    listPayments: () => ListPaymentsResponse.fromPartial({ payments: [PAYMENT], totalSize: 1n }),
    listPaymentEvents: () => ListPaymentEventsResponse.fromPartial({ events: [EVENT], nextPageToken: "rest" }),
    watchPayments: async function* (call) {
      yield WatchPaymentsResponse.fromPartial({ event: EVENT, resumeToken: "a" });
      await hang(call);
    },
  });
  return clientOf(t, { target: service.target });
}

const charge = (client: PaymentsClient) => client.charge({ orderId: 342, amount: new Decimal("561.00") });
const throughJson = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

test("a payment can be written as JSON, by itself and in objects of the caller", async (t) => {
  const payment = await charge(await clientOfService(t));
  assert.deepEqual(throughJson(payment), PAYMENT_JSON);
  assert.deepEqual(throughJson({ paid: [payment] }), { paid: [PAYMENT_JSON] });
  assert.deepEqual(throughJson({ ...payment, note: "a copy" }), { ...PAYMENT_JSON, note: "a copy" });
  const { paymentId, amount } = payment;
  assert.deepEqual(throughJson({ paymentId, amount }), { paymentId: "9007199254740993", amount: "561" });
});

const RESULTS: [name: string, call: (client: PaymentsClient) => Promise<unknown>, json: unknown][] = [
  ["a refund", (client) => client.refund({ paymentId: 1 }), { refund: REFUND_JSON, payment: PAYMENT_JSON }],
  [
    "a payment with its refunds",
    (client) => client.getPayment({ paymentId: 1 }),
    { payment: PAYMENT_JSON, refunds: [REFUND_JSON], nextRefundsPageToken: "rest" },
  ],
  [
    "a page of refunds",
    (client) => client.listRefundsPage({ paymentId: 1 }),
    { refunds: [REFUND_JSON], nextPageToken: "" },
  ],
  [
    "a page of payments",
    (client) => client.listPaymentsPage(),
    { payments: [PAYMENT_JSON], nextPageToken: "", totalSize: 1 },
  ],
  [
    "a page of events",
    (client) => client.listPaymentEventsPage({ paymentId: 1 }),
    { events: [EVENT_JSON], nextPageToken: "rest" },
  ],
  [
    "an update of a watch",
    async (client) => (await client.watchPayments().next()).value,
    { event: EVENT_JSON, resumeToken: "a" },
  ],
];

for (const [name, call, json] of RESULTS) {
  test(`${name} can be written as JSON`, async (t) => {
    assert.deepEqual(throughJson(await call(await clientOfService(t))), json);
  });
}

test("the outcomes of a batch can be written as JSON", async (t) => {
  const client = await clientOfService(t);
  const amount = new Decimal(1);
  const outcomes = await client.batchCharge([
    { orderId: 1, amount },
    { orderId: 0, amount, requestId: "b-2" },
  ]);
  assert.deepEqual(throughJson(outcomes), [
    PAYMENT_JSON,
    { name: "InvalidRequest", message: "no", code: 3, reason: "INVALID_REQUEST", requestId: "b-2", violations: [] },
  ]);
});

test("the JSON of an adopted payment omits what the legacy service did not record", async (t) => {
  const response = ChargeResponse.fromPartial({ payment: { paymentId: 1n } });
  const service = await startService(t, { charge: () => response });
  const json = throughJson(await charge(clientOf(t, { target: service.target }))) as object;
  assert.deepEqual(Object.keys(json), [
    "paymentId",
    "orderId",
    "method",
    "otherMethod",
    "status",
    "reference",
    "refundState",
    "caller",
    "requestId",
    "processorReference",
    "failureCode",
    "externalReference",
    "customerId",
    "labels",
  ]);
});

test("the JSON of a payment has its next action and its dispute", async (t) => {
  const nextAction = { type: NextActionType.REDIRECT, redirectUrl: "https://bank.example/1", expireTime: createTime };
  const dispute = {
    status: DisputeStatus.OPEN,
    amount: inr(100n, 500_000_000),
    reason: "fraudulent",
    openTime: createTime,
    processorReference: "dp_1",
  };
  const response = ChargeResponse.fromPartial({ payment: { ...PAYMENT, nextAction, dispute } });
  const service = await startService(t, { charge: () => response });
  assert.deepEqual(throughJson(await charge(clientOf(t, { target: service.target }))), {
    ...PAYMENT_JSON,
    nextAction: {
      type: "REDIRECT",
      redirectUrl: "https://bank.example/1",
      expireTime: "2026-11-24T03:15:55.362775000Z",
    },
    dispute: {
      status: "OPEN",
      amount: "100.5",
      currency: "INR",
      reason: "fraudulent",
      openTime: "2026-11-24T03:15:55.362775000Z",
      processorReference: "dp_1",
    },
  });
});

test("an id, an amount and a time can be read back from JSON without loss", async (t) => {
  const client = await clientOfService(t);
  const payment = await charge(client);
  const { paymentId, amount, createTime } = throughJson(payment) as typeof PAYMENT_JSON;
  await client.getPayment({ paymentId });
  assert.equal(paymentId, payment.paymentId);
  assert.ok(payment.amount?.equals(new Decimal(amount)));
  assert.equal(new PreciseDate(createTime).getFullTimeString(), payment.createTime?.getFullTimeString());
});

test("the JSON of an error from a call has its message and its details", async (t) => {
  const details = [errorInfo("INVALID_REQUEST"), badRequest({ field: "order_id", description: "must be 1 or more" })];
  const service = await startService(t, {
    charge: () => {
      throw faultWith(grpc.status.INVALID_ARGUMENT, details, {
        message: "order_id: must be 1 or more",
        trailers: { "x-request-id": "call-7" },
      });
    },
  });
  const client = clientOf(t, { target: service.target });
  const error = await client.charge({ orderId: 0, amount: new Decimal(1), requestId: "r-1" }).catch((e: unknown) => e);
  assert.ok(error instanceof InvalidRequest);
  assert.deepEqual(throughJson({ error }), {
    error: {
      name: "InvalidRequest",
      message: "order_id: must be 1 or more",
      code: 3,
      reason: "INVALID_REQUEST",
      requestId: "r-1",
      callId: "call-7",
      violations: [{ field: "order_id", description: "must be 1 or more" }],
    },
  });
});

test("the JSON of an error has no stack and no cause, which may be anything", () => {
  const error = new PaymentNotFound("gone", { code: grpc.status.NOT_FOUND, retryAfterSeconds: 2, cause: { id: 1n } });
  assert.ok(error instanceof PaymentsError);
  assert.deepEqual(throughJson(error), {
    name: "PaymentNotFound",
    message: "gone",
    code: 5,
    reason: "",
    retryAfterSeconds: 2,
  });
});

test("the JSON of an error has the id of the pending payment", () => {
  const error = new OrderHasPendingPayment("wait", { code: grpc.status.FAILED_PRECONDITION, paymentId: "403" });
  assert.deepEqual(throughJson(error), {
    name: "OrderHasPendingPayment",
    message: "wait",
    code: 9,
    reason: "",
    paymentId: "403",
  });
});

test("console.log shows the values of a payment, and the details and the cause of an error", async (t) => {
  const payment: Payment = await charge(await clientOfService(t));
  const lines = inspect(payment);
  for (const line of [
    "paymentId: '9007199254740993'",
    "amount: 561,",
    "refundedAmount: 100.5,",
    "status: 'SUCCEEDED'",
  ]) {
    assert.ok(lines.includes(line), lines);
  }
  assert.match(lines, /createTime: PreciseDate 2026-11-24T03:15:55\.362Z/);
  const error = inspect(new PaymentNotFound("gone", { reason: "PAYMENT_NOT_FOUND", cause: new Error("status 5") }));
  assert.match(error, /^PaymentNotFound: gone\n[^]*reason: 'PAYMENT_NOT_FOUND'[^]*\[cause\]: Error: status 5/);
});
