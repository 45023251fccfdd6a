import assert from "node:assert/strict";
import { test } from "node:test";

import { Decimal, PreciseDate } from "@payments/client";
import {
  type ChargeRequest,
  ChargeResponse,
  DisputeStatus,
  Failure,
  type GetPaymentRequest,
  GetPaymentResponse,
  type ListPaymentsRequest,
  ListPaymentsResponse,
  NextActionType,
  PaymentMethod,
  PaymentStatus,
  type RefundRequest,
  RefundResponse,
  RefundState,
  RefundStatus,
} from "@payments/client/v1";

import { clientOf, startService } from "./service.js";

const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

const SENT_AMOUNTS: [amount: string, units: bigint, nanos: number][] = [
  ["561.00", 561n, 0],
  ["0.01", 0n, 10_000_000],
  ["12.340000", 12n, 340_000_000],
  ["0.0001", 0n, 100_000],
  ["999999999999999", 999_999_999_999_999n, 0],
  ["9999999999999.99", 9_999_999_999_999n, 990_000_000],
  ["999999999999.999", 999_999_999_999n, 999_000_000],
  ["99999999999.9999", 99_999_999_999n, 999_900_000],
  ["-99999999999.9999", -99_999_999_999n, -999_900_000],
  ["1e3", 1_000n, 0],
  ["-5.5", -5n, -500_000_000],
  ["-0.05", 0n, -50_000_000],
  ["9223372036854775807", MAX_INT64, 0],
];

for (const [amount, units, nanos] of SENT_AMOUNTS) {
  test(`the amount ${amount} is sent exactly`, async (t) => {
    const service = await startService(t);
    await clientOf(t, { target: service.target }).charge({ orderId: 1, amount: new Decimal(amount), currency: "INR" });
    const request = service.calls[0]?.request as ChargeRequest;
    assert.deepEqual(request.amount, { currencyCode: "INR", units, nanos });
  });
}

test("an amount is sent and received exactly regardless of the precision setting of decimal.js", async (t) => {
  const { precision } = Decimal;
  t.after(() => Decimal.set({ precision }));
  Decimal.set({ precision: 2 });
  const service = await startService(t);
  const payment = await clientOf(t, { target: service.target }).charge({
    orderId: 1,
    amount: new Decimal("12345678.91"),
  });
  const { amount } = service.calls[0]?.request as ChargeRequest;
  assert.deepEqual(amount, { currencyCode: "", units: 12_345_678n, nanos: 910_000_000 });
  assert.equal(payment.amount?.toFixed(), "12345678.91");
});

test("an amount from another copy of decimal.js is accepted", async (t) => {
  const { Decimal: OtherDecimal } = await import("decimal.js");
  const service = await startService(t);
  const amount = new OtherDecimal("5.50");
  assert.ok(!(amount instanceof Decimal));
  await clientOf(t, { target: service.target }).charge({ orderId: 1, amount });
  assert.equal((service.calls[0]?.request as ChargeRequest).amount?.units, 5n);
});

const RECEIVED_AMOUNTS: [units: bigint, nanos: number, amount: string][] = [
  [561n, 0, "561"],
  [0n, 10_000_000, "0.01"],
  [0n, 100_000, "0.0001"],
  [999_999_999_999_999n, 0, "999999999999999"],
  [9_999_999_999_999n, 990_000_000, "9999999999999.99"],
  [999_999_999_999n, 999_000_000, "999999999999.999"],
  [99_999_999_999n, 999_900_000, "99999999999.9999"],
  [-5n, -500_000_000, "-5.5"],
  [0n, -50_000_000, "-0.05"],
  [1n, 1, "1.000000001"],
  [MIN_INT64, -999_999_999, "-9223372036854775808.999999999"],
];

for (const [units, nanos, amount] of RECEIVED_AMOUNTS) {
  test(`the amount ${amount} is received exactly`, async (t) => {
    const money = { currencyCode: "INR", units, nanos };
    const response = GetPaymentResponse.fromPartial({ payment: { amount: money, refundedAmount: money } });
    const service = await startService(t, { getPayment: () => response });
    const { payment } = await clientOf(t, { target: service.target }).getPayment({ paymentId: 1 });
    assert.equal(payment.amount?.toFixed(), amount);
    assert.equal(payment.refundedAmount?.toFixed(), amount);
    assert.equal(payment.currency, "INR");
  });
}

const TIMES: [iso: string, seconds: bigint, nanos: number][] = [
  ["2026-11-24T03:15:55.362775000Z", 1_795_490_155n, 362_775_000],
  ["2026-11-24T03:15:55.000001000Z", 1_795_490_155n, 1_000],
  ["1970-01-01T00:00:00.000000000Z", 0n, 0],
  ["1969-12-31T23:59:59.500000001Z", -1n, 500_000_001],
  ["0001-01-01T00:00:00.123456000Z", -62_135_596_800n, 123_456_000],
  ["9999-12-31T23:59:59.999999999Z", 253_402_300_799n, 999_999_999],
];

for (const [iso, seconds, nanos] of TIMES) {
  test(`the time ${iso} is received exactly, and sent back exactly`, async (t) => {
    const response = ListPaymentsResponse.fromPartial({ payments: [{ createTime: { seconds, nanos } }] });
    const service = await startService(t, { listPayments: () => response });
    const client = clientOf(t, { target: service.target });
    const createTime = (await client.listPaymentsPage()).payments[0]?.createTime;
    assert.ok(createTime instanceof Date);
    assert.equal(createTime.toISOString(), iso);
    await client.listPaymentsPage({ minCreateTime: createTime, maxCreateTime: createTime });
    const { filter } = service.calls[1]?.request as ListPaymentsRequest;
    assert.deepEqual(filter?.minCreateTime, { seconds, nanos });
    assert.deepEqual(filter.maxCreateTime, { seconds, nanos });
  });
}

test("a plain Date is sent with its milliseconds", async (t) => {
  const service = await startService(t);
  await clientOf(t, { target: service.target }).listPaymentsPage({
    minCreateTime: new Date("1969-12-31T23:59:58.250Z"),
  });
  const { filter } = service.calls[0]?.request as ListPaymentsRequest;
  assert.deepEqual(filter?.minCreateTime, { seconds: -2n, nanos: 250_000_000 });
});

test("a PreciseDate from another copy of its package is sent with its microseconds", async (t) => {
  class OtherPreciseDate extends Date {
    getMicroseconds() {
      return 456;
    }
  }
  const service = await startService(t);
  const time = new OtherPreciseDate("2026-01-01T00:00:00.123Z");
  assert.ok(!(time instanceof PreciseDate));
  await clientOf(t, { target: service.target }).listPaymentsPage({ minCreateTime: time });
  const { filter } = service.calls[0]?.request as ListPaymentsRequest;
  assert.equal(filter?.minCreateTime?.nanos, 123_456_000);
});

for (const id of [MAX_INT64, MIN_INT64, 2n ** 53n + 1n, 0n]) {
  test(`the id ${id} is sent and received without loss`, async (t) => {
    const response = RefundResponse.fromPartial({ refund: { refundId: id, paymentId: id }, payment: { orderId: id } });
    const service = await startService(t, { refund: () => response });
    const client = clientOf(t, { target: service.target });
    const { refund, payment } = await client.refund({ paymentId: id });
    assert.equal((service.calls[0]?.request as RefundRequest).paymentId, id);
    assert.deepEqual([refund?.refundId, refund?.paymentId, payment.orderId], [`${id}`, `${id}`, `${id}`]);
    await client.getPayment({ paymentId: payment.orderId });
    assert.equal((service.calls[1]?.request as GetPaymentRequest).paymentId, id);
  });
}

test("an id that is a safe integer may be a number", async (t) => {
  const service = await startService(t);
  const client = clientOf(t, { target: service.target });
  const payment = await client.charge({ orderId: Number.MAX_SAFE_INTEGER, amount: new Decimal(1) });
  assert.equal(payment.orderId, "9007199254740991");
});

test("enum values are received as their short names", async (t) => {
  const response = RefundResponse.fromPartial({
    refund: { status: RefundStatus.PENDING, failure: Failure.DECLINED },
    payment: {
      method: PaymentMethod.COD,
      status: PaymentStatus.FAILED,
      refundState: RefundState.FULL,
      failure: Failure.INSUFFICIENT_FUNDS,
    },
  });
  const service = await startService(t, { refund: () => response });
  const { refund, payment } = await clientOf(t, { target: service.target }).refund({ paymentId: 1 });
  assert.deepEqual(
    [refund?.status, payment.method, payment.status, payment.refundState, payment.failure, refund?.failure],
    ["PENDING", "COD", "FAILED", "FULL", "INSUFFICIENT_FUNDS", "DECLINED"],
  );
});

test("enum values from a newer service are UNKNOWN", async (t) => {
  const newer = 99 as never;
  const response = RefundResponse.fromPartial({
    refund: { status: newer, failure: newer },
    payment: {
      method: newer,
      status: newer,
      refundState: newer,
      failure: newer,
      nextAction: { type: newer },
      dispute: { status: newer },
    },
  });
  const service = await startService(t, { refund: () => response });
  const { refund, payment } = await clientOf(t, { target: service.target }).refund({ paymentId: 1 });
  assert.deepEqual(
    [refund?.status, payment.method, payment.status, payment.refundState, payment.failure, refund?.failure],
    ["UNKNOWN", "UNKNOWN", "UNKNOWN", "UNKNOWN", "UNKNOWN", "UNKNOWN"],
  );
  assert.deepEqual([payment.nextAction?.type, payment.dispute?.status], ["UNKNOWN", "UNKNOWN"]);
});

for (const [name, number] of Object.entries(Failure).filter(([, value]) => typeof value === "number")) {
  test(`the failure ${name} is received as its name`, async (t) => {
    const response = ChargeResponse.fromPartial({ payment: { failure: number as Failure } });
    const service = await startService(t, { charge: () => response });
    const payment = await clientOf(t, { target: service.target }).charge({ orderId: 1, amount: new Decimal(1) });
    const withoutName: Record<string, string | undefined> = { UNSPECIFIED: undefined, UNRECOGNIZED: "UNKNOWN" };
    assert.equal(payment.failure, name in withoutName ? withoutName[name] : name);
  });
}

test("a payment and a refund have the names, codes and labels that the service sent", async (t) => {
  const response = RefundResponse.fromPartial({
    refund: { caller: "shop", requestId: "refund-1", processorReference: "re_1", failureCode: "declined" },
    payment: {
      caller: "shop",
      requestId: "order-342",
      processorReference: "ch_1",
      failureCode: "insufficient_funds",
      externalReference: " ORD-Zürich/7  ",
      customerId: "customer 7",
      labels: { channel: "web", note: "", Größe: "👟 42" },
    },
  });
  const service = await startService(t, { refund: () => response });
  const { refund, payment } = await clientOf(t, { target: service.target }).refund({ paymentId: 1 });
  assert.deepEqual(
    [refund?.caller, refund?.requestId, refund?.processorReference, refund?.failureCode],
    ["shop", "refund-1", "re_1", "declined"],
  );
  assert.deepEqual(
    [payment.caller, payment.requestId, payment.processorReference, payment.failureCode],
    ["shop", "order-342", "ch_1", "insufficient_funds"],
  );
  assert.deepEqual([payment.externalReference, payment.customerId], [" ORD-Zürich/7  ", "customer 7"]);
  assert.deepEqual(payment.labels, { channel: "web", note: "", Größe: "👟 42" });
});

test("a payment without names, codes and labels has empty ones, and no failure", async (t) => {
  const service = await startService(t);
  const payment = await clientOf(t, { target: service.target }).charge({ orderId: 1, amount: new Decimal(1) });
  assert.deepEqual([payment.caller, payment.requestId, payment.processorReference], ["", "", ""]);
  assert.deepEqual([payment.failure, payment.failureCode], [undefined, ""]);
  assert.deepEqual([payment.externalReference, payment.customerId, payment.labels], ["", "", {}]);
});

test("an adopted payment has the name of its method, and no amount or time if they are missing", async (t) => {
  const response = ChargeResponse.fromPartial({ payment: { method: PaymentMethod.OTHER, otherMethod: "cheque" } });
  const service = await startService(t, { charge: () => response });
  const payment = await clientOf(t, { target: service.target }).charge({ orderId: 1, amount: new Decimal(1) });
  assert.equal(payment.amount, undefined);
  assert.equal(payment.currency, undefined);
  assert.equal(payment.refundedAmount, undefined);
  assert.equal(payment.createTime, undefined);
  assert.deepEqual([payment.method, payment.otherMethod], ["OTHER", "cheque"]);
});

for (const type of ["REDIRECT", "APPROVE_ON_PHONE"] as const) {
  test(`the next action ${type} is received with its page and its time`, async (t) => {
    const redirectUrl = type === "REDIRECT" ? "https://bank.example/approve?id=1" : "";
    const expireTime = { seconds: 1_795_490_155n, nanos: 362_775_000 };
    const nextAction = { type: NextActionType[type], redirectUrl, expireTime };
    const response = ChargeResponse.fromPartial({ payment: { status: PaymentStatus.PENDING, nextAction } });
    const service = await startService(t, { charge: () => response });
    const payment = await clientOf(t, { target: service.target }).charge({ orderId: 1, amount: new Decimal(1) });
    assert.deepEqual([payment.nextAction?.type, payment.nextAction?.redirectUrl], [type, redirectUrl]);
    assert.equal(payment.nextAction?.expireTime.toISOString(), "2026-11-24T03:15:55.362775000Z");
    assert.equal(payment.dispute, undefined);
  });
}

for (const status of ["OPEN", "WON", "LOST"] as const) {
  test(`a dispute that is ${status} is received with its amount, reason and times`, async (t) => {
    const dispute = {
      status: DisputeStatus[status],
      amount: { currencyCode: "KWD", units: 4n, nanos: 125_000_000 },
      reason: "fraudulent",
      openTime: { seconds: 1n, nanos: 2_000 },
      closeTime: status === "OPEN" ? undefined : { seconds: 5n },
      processorReference: "dp_1",
    };
    const service = await startService(t, {
      getPayment: () => GetPaymentResponse.fromPartial({ payment: { dispute } }),
    });
    const { payment } = await clientOf(t, { target: service.target }).getPayment({ paymentId: 1 });
    const received = payment.dispute ?? assert.fail("there is no dispute");
    assert.deepEqual([received.status, received.amount?.toFixed(), received.currency], [status, "4.125", "KWD"]);
    assert.deepEqual([received.reason, received.processorReference], ["fraudulent", "dp_1"]);
    assert.equal(received.openTime.toISOString(), "1970-01-01T00:00:01.000002000Z");
    assert.equal(received.closeTime?.getTime(), status === "OPEN" ? undefined : 5_000);
    assert.equal(payment.nextAction, undefined);
  });
}

test("a dispute in another currency than the payment has no amount", async (t) => {
  const response = GetPaymentResponse.fromPartial({ payment: { dispute: { status: DisputeStatus.OPEN } } });
  const service = await startService(t, { getPayment: () => response });
  const { payment } = await clientOf(t, { target: service.target }).getPayment({ paymentId: 1 });
  assert.deepEqual([payment.dispute?.amount, payment.dispute?.currency], [undefined, undefined]);
});

test("the refund is undefined if the service returns none", async (t) => {
  const service = await startService(t);
  const { refund } = await clientOf(t, { target: service.target }).refund({ paymentId: 1 });
  assert.equal(refund, undefined);
});
