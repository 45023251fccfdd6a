/** Correct and incorrect uses of the client's types. The build fails if the compiler accepts an incorrect one. */
import {
  Decimal,
  type Dispute,
  type OrderHasPendingPayment,
  type OutcomeUnknown,
  type Payment,
  PaymentDisputed,
  PaymentsClient,
  type PaymentsError,
  type PaymentsErrorJson,
  type PreciseDate,
  type Refund,
} from "@payments/client";
import { FakePayments } from "@payments/client/testing";
import { PaymentsClient as WebPaymentsClient } from "@payments/client/web";

/** The type of what `JSON.stringify` writes, derived from the types of `toJSON`. */
type JsonOf<Value> = Value extends { toJSON(): infer Json }
  ? Json
  : Value extends object
    ? { [Name in keyof Value]: JsonOf<Value[Name]> }
    : Value;

export async function correctUses(client: PaymentsClient, error: OutcomeUnknown): Promise<Payment[]> {
  const payment = await client.charge({ orderId: "342", amount: new Decimal("561.00"), method: "UPI" });
  const time: PreciseDate | undefined = payment.createTime;
  const seconds: number | undefined = error.retryAfterSeconds;
  const listed: Payment[] = [];
  for await (const found of client.listPayments({ orderId: payment.orderId, minCreateTime: time ?? new Date() })) {
    listed.push(found);
  }
  await client.charge({ orderId: 342, amount: new Decimal("561.00") });
  await client.charge({ externalReference: "ORD-342", amount: new Decimal("561.00"), labels: payment.labels });
  await client.charge({ orderId: 342n, amount: new Decimal("561.00") });
  await client.getPayment({ reference: payment.reference }, { timeoutSeconds: seconds });
  await client.getPayment({ requestId: payment.requestId, caller: payment.caller });
  await client.refund({ paymentId: payment.paymentId, amount: payment.amount, currency: payment.currency });
  const { nextRefundsPageToken } = await client.getPayment({ paymentId: payment.paymentId });
  for await (const refund of client.listRefunds({ paymentId: 403, pageSize: 2, pageToken: nextRefundsPageToken })) {
    await client.getPayment({ paymentId: refund.paymentId });
  }
  for await (const event of client.listPaymentEvents({ paymentId: payment.paymentId, pageSize: 2 })) {
    listed.push(event.payment);
  }
  for await (const { event, resumeToken } of client.watchPayments({}, { timeoutSeconds: seconds })) {
    if (event?.type === "REFUNDED" && event.refund?.paymentId === payment.paymentId) {
      client.watchPayments({ resumeToken }, { signal: AbortSignal.timeout(1_000) });
      listed.push(event.payment);
      break;
    }
  }
  return listed;
}

export async function correctUsesOfFailures(client: PaymentsClient, payment: Payment): Promise<string | undefined> {
  for await (const { event } of client.watchPayments({ types: ["FAILED", "FORGOTTEN"], customerId: "customer 7" })) {
    if (event?.payment.failure === "INSUFFICIENT_FUNDS") {
      return event.payment.labels["channel"];
    }
  }
  return payment.failure;
}

export async function correctUsesOfApprovals(client: PaymentsClient, amount: Decimal): Promise<string | undefined> {
  const { nextAction } = await client.charge({
    orderId: 342,
    amount,
    paymentSource: "pm_1",
    returnUrl: "https://shop.example/orders/342",
  });
  nextAction?.expireTime satisfies PreciseDate | undefined;
  return nextAction?.type === "REDIRECT" ? nextAction.redirectUrl : undefined;
}

export function correctUsesOfDisputes(dispute: Dispute | undefined, error: PaymentsError): Decimal | undefined {
  dispute?.closeTime satisfies PreciseDate | undefined;
  return dispute?.status === "LOST" && error instanceof PaymentDisputed ? dispute.amount : undefined;
}

export async function correctUsesOfErrors(client: PaymentsClient, error: OrderHasPendingPayment): Promise<void> {
  await client.getPayment({ paymentId: error.paymentId });
}

export function correctUsesOfTheFake(): [PaymentsClient, WebPaymentsClient] {
  const { transport } = new FakePayments({
    defaultSource: "sim_declined",
    now: () => new Date(0),
    allowedCurrencies: ["INR"],
  });
  return [new PaymentsClient({ transport }), new WebPaymentsClient({ transport })];
}

export function correctUsesOfJson(
  payment: JsonOf<Payment>,
  refund: JsonOf<Refund>,
  error: JsonOf<PaymentsError>,
): void {
  payment.paymentId satisfies string;
  payment.amount satisfies string | undefined;
  payment.createTime satisfies string | undefined;
  payment.labels satisfies Record<string, string>;
  refund.amount satisfies string;
  refund.createTime satisfies string;
  error satisfies PaymentsErrorJson;
}

export function incorrectUsesOfTheFake(): void {
  // @ts-expect-error: there is no such source
  new FakePayments({ defaultSource: "sim_nothing" });
  // @ts-expect-error: a client for browsers needs a URL or a transport
  new WebPaymentsClient({});
  // @ts-expect-error: the clock is a function
  new FakePayments({ now: new Date() });
}

export async function incorrectUses(client: PaymentsClient, payment: Payment): Promise<void> {
  // @ts-expect-error: an amount is not a number
  await client.charge({ orderId: 342, amount: 561.0 });
  // @ts-expect-error: an id is a string
  payment.paymentId satisfies bigint;
  // @ts-expect-error: a charge needs an amount
  await client.charge({ orderId: 342 });
  // @ts-expect-error: there is no such method
  await client.charge({ orderId: 342, amount: new Decimal(1), method: "CASH" });
  // @ts-expect-error: UNKNOWN cannot be sent
  await client.charge({ orderId: 342, amount: new Decimal(1), method: payment.method });
  // @ts-expect-error: only a request_id has a caller
  await client.getPayment({ paymentId: 1, caller: "shop" });
  // @ts-expect-error: a label is a string
  await client.charge({ orderId: 342, amount: new Decimal(1), labels: { size: 42 } });
  // @ts-expect-error: there is no such failure
  payment.failure satisfies "NO_MONEY" | undefined;
  // @ts-expect-error: labels are read-only
  payment.labels["channel"] = "web";
  // @ts-expect-error: a payment is looked up by its id or its reference, not by both
  await client.getPayment({ paymentId: 1, reference: "ECI-1" });
  // @ts-expect-error: one of the keys is required
  await client.getPayment({});
  // @ts-expect-error: listing refunds needs a payment
  client.listRefunds();
  // @ts-expect-error: the payment is identified by its id
  await client.listRefundsPage({ reference: "ECI-1" });
  // @ts-expect-error: listing events needs a payment
  client.listPaymentEvents();
  // @ts-expect-error: one payment's events are listed, not those of an order
  await client.listPaymentEventsPage({ orderId: 342 });
  // @ts-expect-error: a time is not a string
  await client.listPaymentsPage({ minCreateTime: "2026-01-01" });
  // @ts-expect-error: there is no such condition
  client.listPayments({ since: new Date() });
  // @ts-expect-error: a token is a named parameter
  client.watchPayments("token");
  for await (const { event } of client.watchPayments()) {
    // @ts-expect-error: an update may have only a token
    event.type satisfies string;
    // @ts-expect-error: there is no such event type
    event?.type satisfies "SETTLED" | undefined;
    // @ts-expect-error: UNKNOWN cannot be sent
    client.watchPayments({ types: ["UNKNOWN"] });
  }
  // @ts-expect-error: an adopted payment may have no amount
  payment.amount.toFixed(2);
  // @ts-expect-error: most payments need no action of the payer
  payment.nextAction.redirectUrl satisfies string;
  // @ts-expect-error: there is no such action
  payment.nextAction?.type satisfies "OPEN_APP" | undefined;
  // @ts-expect-error: there is no such status of a dispute
  payment.dispute?.status satisfies "CLOSED" | undefined;
  // @ts-expect-error: a page is a string
  await client.charge({ orderId: 342, amount: new Decimal(1), returnUrl: new URL("https://shop.example") });
  // @ts-expect-error: a result is read-only
  payment.status = "FAILED";
}
