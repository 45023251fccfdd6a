/**
 * Payments, refunds and events, as TypeScript types.
 *
 * Amounts are exact `Decimal` values in units of the currency, which has up to four decimals, currencies are ISO 4217
 * codes, times are `PreciseDate` objects (`Date` with microseconds), and ids are strings, because a number cannot hold
 * all of them. `payments.proto` documents each field.
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

/**
 * The outcome of a refund. One that `SUCCEEDED` may become `FAILED` later, for example because the payer's account is
 * closed. `UNKNOWN` is a status that this version of the client does not know.
 */
export type RefundStatus = "UNKNOWN" | "PENDING" | "SUCCEEDED" | "FAILED";

/**
 * Why a payment or a refund failed. `payments.proto` explains each reason. Do not tell the payer of `SUSPECTED_FRAUD`.
 * `UNKNOWN` is a reason that this version of the client does not know.
 */
export type Failure =
  | "UNKNOWN"
  | "INSUFFICIENT_FUNDS"
  | "EXPIRED_METHOD"
  | "INVALID_METHOD"
  | "AUTHENTICATION_REQUIRED"
  | "SUSPECTED_FRAUD"
  | "LIMIT_EXCEEDED"
  | "DECLINED"
  | "PROCESSOR_ERROR";

/**
 * What the payer must do: open a page in the browser, or approve the payment in an app on the phone. `UNKNOWN` is an
 * action that this version of the client does not know.
 */
export type NextActionType = "UNKNOWN" | "REDIRECT" | "APPROVE_ON_PHONE";

/**
 * The state of a dispute. The bank decides for the merchant, who keeps the money (`WON`), or for the payer, who gets it
 * back (`LOST`). `UNKNOWN` is a status that this version of the client does not know.
 */
export type DisputeStatus = "UNKNOWN" | "OPEN" | "WON" | "LOST";

/**
 * What happened to a payment. With `PENDING` and `REFUND_PENDING`, the processor has not answered yet. With `FAILED` it
 * declined the charge. With `REFUND_FAILED` it rejected a refund, or reported that a refund which had succeeded failed
 * later. With `IMPORTED`, the payment or refund was imported, or changed by a later import. With `FORGOTTEN`, the
 * customer and the labels of the payment were erased. With `ACTION_REQUIRED`, the payer must approve the payment: see
 * {@link Payment.nextAction}. With `DISPUTE_OPENED`, the payer disputes the payment, and with `DISPUTE_WON` or
 * `DISPUTE_LOST` the dispute was decided for the merchant or for the payer. `UNKNOWN` is an event that this version of
 * the client does not know.
 */
export type PaymentEventType =
  | "UNKNOWN"
  | "PENDING"
  | "CHARGED"
  | "FAILED"
  | "REFUND_PENDING"
  | "REFUNDED"
  | "REFUND_FAILED"
  | "IMPORTED"
  | "FORGOTTEN"
  | "ACTION_REQUIRED"
  | "DISPUTE_OPENED"
  | "DISPUTE_WON"
  | "DISPUTE_LOST";

/**
 * A charge of an order, and how much of it has been refunded.
 *
 * `amount`, `currency`, `refundedAmount` and `createTime` are undefined, and `reference` is empty, only on adopted
 * payments for which the legacy service did not record them. `orderId` is `"0"` if the charge had only an
 * `externalReference`. `failure` is undefined unless the charge failed for a known reason, and `failureCode` is the
 * processor's own code for it. `requestId` is empty on the payments of other callers, unless this caller has the role
 * `payments.audit`. `nextAction` is what the payer must do before the charge can succeed; it is undefined unless the
 * payment is pending and needs an approval. `dispute` is undefined if there was none. If there were several, it is the
 * open one, or the last.
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
  readonly caller: string;
  readonly requestId: string;
  readonly processorReference: string;
  readonly failure: Failure | undefined;
  readonly failureCode: string;
  readonly externalReference: string;
  readonly customerId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly nextAction: NextAction | undefined;
  readonly dispute: Dispute | undefined;
}

/**
 * The action that a payer must take before a charge can succeed.
 *
 * `redirectUrl` is the page to open in the payer's browser, which redirects to the `returnUrl` of the charge.
 * Anyone who has it can approve the payment, so show it only to the payer, and do not log it. It is empty unless the
 * type is `REDIRECT`, and on the payments of other callers, unless this caller has the role `payments.audit`. After
 * `expireTime`, the service cancels the charge, which fails with `AUTHENTICATION_REQUIRED`.
 */
export interface NextAction {
  readonly type: NextActionType;
  readonly redirectUrl: string;
  readonly expireTime: PreciseDate;
}

/**
 * A payer's demand that the bank return the money of a payment, also called a chargeback. While it is open, and if it
 * is lost, the payment cannot be refunded.
 *
 * `amount` and `currency` are undefined if the disputed amount is in another currency than the payment. `reason` is the
 * processor's own code, such as `fraudulent`, and may be empty. `openTime` and `closeTime` are when the service learned
 * of the dispute and of its decision. `closeTime` is undefined while the dispute is open. `processorReference` is the
 * dispute's identifier at the processor.
 */
export interface Dispute {
  readonly status: DisputeStatus;
  readonly amount: Decimal | undefined;
  readonly currency: string | undefined;
  readonly reason: string;
  readonly openTime: PreciseDate;
  readonly closeTime: PreciseDate | undefined;
  readonly processorReference: string;
}

/** A refund of a payment. Its properties that a {@link Payment} also has mean the same for the refund. */
export interface Refund {
  readonly refundId: string;
  readonly paymentId: string;
  readonly amount: Decimal;
  readonly currency: string;
  readonly status: RefundStatus;
  readonly reason: string;
  readonly createTime: PreciseDate;
  readonly caller: string;
  readonly requestId: string;
  readonly processorReference: string;
  readonly failure: Failure | undefined;
  readonly failureCode: string;
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
 * `payment` and `refund` are as they were after the event, except that the payment's `nextAction` is the current one.
 * `refund` is undefined if the event is not about a refund. `caller` requested the change with `requestId`; both are
 * empty if the legacy service made the payment, if an operator erased its customer, or if the event is about a dispute.
 * `eventTime` is when it happened (for an import, the time of the import), or undefined if the service sent none.
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
