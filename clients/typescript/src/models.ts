/**
 * Payments, refunds and events, as TypeScript types.
 *
 * Amounts are exact `Decimal` values in units of the currency (`amount.toFixed(2)` returns `561.00`), currencies are
 * ISO 4217 codes, times are `PreciseDate` objects (`Date` with microseconds), and ids are strings, because a number
 * cannot hold all of them. `payments.proto` documents each field.
 *
 * `JSON.stringify` accepts all of these types. It writes an amount as a string without trailing zeros (`"561"`), a time
 * as RFC 3339 with nine decimals (`"2026-11-28T18:00:33.660519000Z"`), and no property that is undefined.
 */
import type { PreciseDate } from "@google-cloud/precise-date";
import type { Decimal } from "decimal.js";

/**
 * How a payment was made. `UNKNOWN` is a method that this version of the client does not know. `OTHER` is a method that
 * {@link Payment.otherMethod} names; it is only on adopted payments, and rejected in a charge.
 */
export type PaymentMethod = "UNKNOWN" | "UPI" | "CARD" | "COD" | "OTHER";

/** The outcome of a charge. `UNKNOWN` is a status that this version of the client does not know. */
export type PaymentStatus = "UNKNOWN" | "PENDING" | "SUCCEEDED" | "FAILED";

/** How much of a payment has been refunded. `UNKNOWN` is a state that this version of the client does not know. */
export type RefundState = "UNKNOWN" | "NONE" | "PARTIAL" | "FULL";

/** The outcome of a refund. `UNKNOWN` is a status that this version of the client does not know. */
export type RefundStatus = "UNKNOWN" | "PENDING" | "SUCCEEDED" | "FAILED";

/**
 * What happened to a payment. With `PENDING` and `REFUND_PENDING`, the processor has not answered yet. With `FAILED` it
 * declined the charge, and with `REFUND_FAILED` it rejected a refund. With `IMPORTED`, the payment or refund was
 * imported, or changed by a later import. `UNKNOWN` is an event that this version of the client does not know.
 */
export type PaymentEventType =
  "UNKNOWN" | "PENDING" | "CHARGED" | "FAILED" | "REFUND_PENDING" | "REFUNDED" | "REFUND_FAILED" | "IMPORTED";

/**
 * A charge of an order, and how much of it has been refunded.
 *
 * `amount`, `currency`, `refundedAmount` and `createTime` are undefined, and `reference` is empty, only on adopted
 * payments for which the legacy service did not record them.
 */
export interface Payment {
  readonly paymentId: string;
  readonly orderId: string;
  readonly amount: Decimal | undefined;
  readonly currency: string | undefined;
  readonly method: PaymentMethod;
  readonly otherMethod: string;
  readonly status: PaymentStatus;
  readonly reference: string;
  readonly createTime: PreciseDate | undefined;
  readonly refundedAmount: Decimal | undefined;
  readonly refundState: RefundState;
}

/** A refund of a payment. */
export interface Refund {
  readonly refundId: string;
  readonly paymentId: string;
  readonly amount: Decimal;
  readonly currency: string;
  readonly status: RefundStatus;
  readonly reason: string;
  readonly createTime: PreciseDate;
}

/**
 * A refund and the updated payment.
 *
 * `refund` is undefined only if the call repeats a full refund made by the legacy service, which stored no refunds.
 */
export interface RefundResult {
  readonly refund: Refund | undefined;
  readonly payment: Payment;
}

/**
 * A payment with its first 100 refunds, oldest first.
 *
 * `nextRefundsPageToken` is empty if `refunds` is complete. Otherwise pass it as `pageToken` to `listRefunds` to get
 * the rest.
 */
export interface PaymentDetails {
  readonly payment: Payment;
  readonly refunds: readonly Refund[];
  readonly nextRefundsPageToken: string;
}

/** One page of the refunds of a payment, oldest first. `nextPageToken` is empty on the last page. */
export interface RefundPage {
  readonly refunds: readonly Refund[];
  readonly nextPageToken: string;
}

/**
 * One page of a list of payments.
 *
 * `nextPageToken` is empty on the last page. `totalSize` is the number of matching payments over all pages, or
 * undefined if it was not requested.
 */
export interface PaymentPage {
  readonly payments: readonly Payment[];
  readonly nextPageToken: string;
  readonly totalSize: number | undefined;
}

/**
 * A change to a payment.
 *
 * `payment` and `refund` are as they were after the event; `refund` is undefined if the event is not about a refund.
 * `caller` requested the change with `requestId`; both are empty if the legacy service made the payment. `eventTime` is
 * when it happened (for an import, the time of the import), or undefined if the service sent none.
 */
export interface PaymentEvent {
  readonly type: PaymentEventType;
  readonly eventTime: PreciseDate | undefined;
  readonly payment: Payment;
  readonly refund: Refund | undefined;
  readonly caller: string;
  readonly requestId: string;
}

/** One page of the events of a payment, oldest first. `nextPageToken` is empty on the last page. */
export interface PaymentEventPage {
  readonly events: readonly PaymentEvent[];
  readonly nextPageToken: string;
}

/**
 * One update from a watch. `event` is undefined if the update only carries a newer token.
 *
 * Pass `resumeToken` to `watchPayments` to resume after this update.
 */
export interface PaymentUpdate {
  readonly event: PaymentEvent | undefined;
  readonly resumeToken: string;
}
