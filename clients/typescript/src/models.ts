/**
 * What the client gives: payments and refunds in TypeScript's own types.
 *
 * Amounts are exact `Decimal` numbers of whole units (`amount.toFixed(2)` writes `561.00`), currencies are ISO 4217
 * codes, times are `Date` objects that keep microseconds, ids are `bigint`. What each field means is said in
 * `payments.proto`.
 */
import type { PreciseDate } from "@google-cloud/precise-date";
import type { Decimal } from "decimal.js";

/**
 * How a payment was made. `UNKNOWN` stands for a method that this version of the client has no name for; `OTHER` is named
 * in {@link Payment.otherMethod}, only on payments from an earlier system, and never accepted on a charge.
 */
export type PaymentMethod = "UNKNOWN" | "UPI" | "CARD" | "COD" | "OTHER";

/** What became of a charge. `UNKNOWN` stands for a status that this version of the client has no name for. */
export type PaymentStatus = "UNKNOWN" | "PENDING" | "SUCCEEDED" | "FAILED";

/** How much of a payment was given back. `UNKNOWN` is a state that this version of the client has no name for. */
export type RefundState = "UNKNOWN" | "NONE" | "PARTIAL" | "FULL";

/** What became of a refund. `UNKNOWN` stands for a status that this version of the client has no name for. */
export type RefundStatus = "UNKNOWN" | "PENDING" | "SUCCEEDED" | "FAILED";

/**
 * What happened to a payment: it, or a refund of it, was asked for and the processor has not answered yet (`PENDING`,
 * `REFUND_PENDING`), was done, or was declined (`FAILED`, `REFUND_FAILED`); or it was taken over from an earlier system as
 * it was there (`IMPORTED`). `UNKNOWN` stands for what this version of the client has no name for.
 */
export type PaymentEventType =
  "UNKNOWN" | "PENDING" | "CHARGED" | "FAILED" | "REFUND_PENDING" | "REFUNDED" | "REFUND_FAILED" | "IMPORTED";

/**
 * One charge of an order, and what was refunded of it.
 *
 * `amount`, `currency` and `refundedAmount` are undefined, and `reference` is empty, only on payments adopted from an
 * earlier system that have none; so is `createTime`.
 */
export interface Payment {
  readonly paymentId: bigint;
  readonly orderId: bigint;
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

/** Money of a payment given back. */
export interface Refund {
  readonly refundId: bigint;
  readonly paymentId: bigint;
  readonly amount: Decimal;
  readonly currency: string;
  readonly status: RefundStatus;
  readonly reason: string;
  readonly createTime: PreciseDate;
}

/**
 * A refund, and the payment after it.
 *
 * `refund` is undefined only when the call repeats a whole refund made by an earlier system, which kept no record of it.
 */
export interface RefundResult {
  readonly refund: Refund | undefined;
  readonly payment: Payment;
}

/**
 * A payment with its refunds, oldest first, at most 100.
 *
 * `nextRefundsPageToken` is empty when `refunds` has them all. Otherwise pass it as `pageToken` to `listRefunds` to get
 * the refunds that follow.
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
 * `nextPageToken` is empty on the last page. `totalSize` counts the matching payments of all pages, and is undefined
 * unless it was asked for.
 */
export interface PaymentPage {
  readonly payments: readonly Payment[];
  readonly nextPageToken: string;
  readonly totalSize: bigint | undefined;
}

/**
 * Something that happened to a payment.
 *
 * `payment` is as this left it, and so is `refund`, which is undefined where the event is not about one. `caller` asked for
 * it with `requestId`; both are empty where an earlier system made the payment. What was imported has the time at which it
 * was.
 */
export interface PaymentEvent {
  readonly type: PaymentEventType;
  readonly eventTime: PreciseDate | undefined;
  readonly payment: Payment;
  readonly refund: Refund | undefined;
  readonly caller: string;
  readonly requestId: string;
}

/** What a watch gives next: an event, or undefined for that there was none; and the token to go on from after it. */
export interface PaymentUpdate {
  readonly event: PaymentEvent | undefined;
  readonly resumeToken: string;
}
