/** What the calls take. A property that is left out, or undefined, is not sent. */
import type { Decimal } from "decimal.js";

import type { PaymentMethod, PaymentStatus, RefundState } from "./models.js";

/** A member that can be sent: `UNKNOWN` stands only for what this version of the client has no name for. */
type Known<Name extends string> = Exclude<Name, "UNKNOWN">;

/** How one call is made, beside what it asks. */
export interface CallOptions {
  /** How long the call may take, all its attempts together; otherwise as long as the client says. */
  timeoutSeconds?: number | undefined;
  /** Cancels the call, which then rejects with the signal's reason. A charge or refund may have been done all the same. */
  signal?: AbortSignal | undefined;
}

/** What {@link PaymentsClient.charge} takes. */
export interface ChargeParams {
  /** The order, 1 or more. */
  orderId: bigint | number;
  /** In whole units of the currency, more than zero, two decimals at most. */
  amount: Decimal;
  /** ISO 4217; otherwise the deployment's default. */
  currency?: string | undefined;
  /** How; otherwise the processor picks. */
  method?: Known<PaymentMethod> | undefined;
  /**
   * What makes the charge safe to repeat (AIP-155): the same one with the same arguments charges once, however often it
   * is sent. Otherwise the call makes a new one, kept over its own attempts. Give one that you have stored with the
   * order, if the charge must be safe to repeat after a crash of your own.
   */
  requestId?: string | undefined;
}

/** What {@link PaymentsClient.refund} takes. */
export interface RefundParams {
  /** The payment. */
  paymentId: bigint | number;
  /** In whole units of the currency, at most what remains of the payment; otherwise all that remains. */
  amount?: Decimal | undefined;
  /** ISO 4217, must be the payment's; otherwise the deployment's default. */
  currency?: string | undefined;
  /** Why, for the record; at most 255 characters. */
  reason?: string | undefined;
  /** As in {@link ChargeParams.requestId}. */
  requestId?: string | undefined;
}

/** What {@link PaymentsClient.getPayment} takes: the payment's id, or its reference. */
export type GetPaymentParams =
  { paymentId: bigint | number; reference?: undefined } | { reference: string; paymentId?: undefined };

/** What {@link PaymentsClient.listRefunds} and {@link PaymentsClient.listRefundsPage} take. */
export interface ListRefundsParams {
  /** The payment. */
  paymentId: bigint | number;
  /** How many refunds to fetch at once, 1000 at most; otherwise the service chooses. */
  pageSize?: number | undefined;
  /**
   * Where to begin: `nextRefundsPageToken` of {@link PaymentsClient.getPayment}, or `nextPageToken` of a page, for the
   * refunds that follow; left out or empty for the first page, or all refunds.
   */
  pageToken?: string | undefined;
}

/** Which payments to list: all conditions that are given must hold. Bounds are inclusive. */
export interface PaymentConditions {
  /** Payments of this order. */
  orderId?: bigint | number | undefined;
  /** Payments made by one of these methods; empty means any. */
  methods?: Iterable<Known<PaymentMethod>> | undefined;
  /** Payments with one of these statuses; empty means any. */
  statuses?: Iterable<Known<PaymentStatus>> | undefined;
  /** Payments in one of these refund states; empty means any. */
  refundStates?: Iterable<Known<RefundState>> | undefined;
  /** The payment with this reference. */
  reference?: string | undefined;
  /** Payments of this amount or more. */
  minAmount?: Decimal | undefined;
  /** Payments of this amount or less. */
  maxAmount?: Decimal | undefined;
  /** Currency of the two amounts (ISO 4217); otherwise the deployment's default. */
  currency?: string | undefined;
  /** Payments made at this time or later: to the microsecond if it is a `PreciseDate`, else to the millisecond. */
  minCreateTime?: Date | undefined;
  /** Payments made at this time or earlier, likewise. */
  maxCreateTime?: Date | undefined;
}

/** What {@link PaymentsClient.listPayments} takes. */
export interface ListPaymentsParams extends PaymentConditions {
  /** `create_time desc`, also when left out, or `create_time asc`. */
  orderBy?: string | undefined;
  /** How many payments to fetch at once, 1000 at most; otherwise the service chooses. */
  pageSize?: number | undefined;
}

/** What {@link PaymentsClient.listPaymentsPage} takes. */
export interface ListPaymentsPageParams extends ListPaymentsParams {
  /** `nextPageToken` of the page before, given with the same conditions and order; left out for the first page. */
  pageToken?: string | undefined;
  /** Whether to count all the payments that match, which costs more the more there are. */
  includeTotalSize?: boolean | undefined;
}

/** What {@link PaymentsClient.watchPayments} takes. */
export interface WatchPaymentsParams {
  /** That of an earlier update, for all that happened after it; otherwise the watch tells what happens from now on. */
  resumeToken?: string | undefined;
}

/** How a watch is made, beside what it asks. */
export interface WatchOptions {
  /** How long the service may be out of reach at a stretch before the iteration rejects; otherwise for ever. */
  timeoutSeconds?: number | undefined;
  /** Ends the watch: the iteration then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}
