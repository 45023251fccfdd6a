/** The parameters of the calls. A property that is missing or undefined means its default. */
import type { Decimal } from "decimal.js";

import type { Id } from "./ids.js";
import type { PaymentMethod, PaymentStatus, RefundState } from "./models.js";

/** The enum values that can be sent: all but `UNKNOWN`. */
type Sendable<Name extends string> = Exclude<Name, "UNKNOWN">;

/** The options of one call. */
export interface CallOptions {
  /** The time limit of the call, including all retries. The default is the client's. */
  timeoutSeconds?: number | undefined;
  /** Cancels the call, which then rejects with the signal's reason. A charge or refund may still take effect. */
  signal?: AbortSignal | undefined;
}

/** The parameters of {@link PaymentsClient.charge}. */
export interface ChargeParams {
  /** The order, 1 or more. */
  orderId: Id;
  /** In units of the currency (rupees, not paise): more than zero, with at most two decimals. */
  amount: Decimal;
  /** An ISO 4217 code. The default is the deployment's. */
  currency?: string | undefined;
  /** The payment method. By default, the processor chooses. */
  method?: Sendable<PaymentMethod> | undefined;
  /**
   * An idempotency key (AIP-155). Calls with the same key and the same parameters charge only once. By default, the
   * call generates a new key, which all its attempts use. To retry safely even after your own program crashes, store a
   * key with the order and pass it here.
   */
  requestId?: string | undefined;
}

/** The parameters of {@link PaymentsClient.refund}. */
export interface RefundParams {
  /** The payment to refund. */
  paymentId: Id;
  /** In units of the currency (rupees, not paise), at most the amount not yet refunded. The default is all of it. */
  amount?: Decimal | undefined;
  /** An ISO 4217 code, which must be the payment's. The default is the deployment's. */
  currency?: string | undefined;
  /** A reason to store with the refund, at most 255 characters. */
  reason?: string | undefined;
  /** An idempotency key, as in {@link ChargeParams.requestId}. */
  requestId?: string | undefined;
}

/** The parameters of {@link PaymentsClient.getPayment}: the payment's id or its reference. */
export type GetPaymentParams = { paymentId: Id; reference?: undefined } | { reference: string; paymentId?: undefined };

/** The parameters of {@link PaymentsClient.listRefunds} and {@link PaymentsClient.listRefundsPage}. */
export interface ListRefundsParams {
  /** The payment whose refunds to list. */
  paymentId: Id;
  /** The maximum number of refunds in a page, at most 1000. By default, the service chooses. */
  pageSize?: number | undefined;
  /**
   * Where to start: the `nextRefundsPageToken` of {@link PaymentsClient.getPayment} or the `nextPageToken` of a page.
   * The default is the first refund.
   */
  pageToken?: string | undefined;
}

/** Selects payments. A payment must satisfy all conditions that are set. Bounds are inclusive. */
export interface PaymentConditions {
  /** Payments of this order. */
  orderId?: Id | undefined;
  /** Payments made with one of these methods; empty means any. */
  methods?: Iterable<Sendable<PaymentMethod>> | undefined;
  /** Payments with one of these statuses; empty means any. */
  statuses?: Iterable<Sendable<PaymentStatus>> | undefined;
  /** Payments in one of these refund states; empty means any. */
  refundStates?: Iterable<Sendable<RefundState>> | undefined;
  /** The payment with this reference. */
  reference?: string | undefined;
  /** Payments of at least this amount. */
  minAmount?: Decimal | undefined;
  /** Payments of at most this amount. */
  maxAmount?: Decimal | undefined;
  /** The currency of the two amounts (ISO 4217). The default is the deployment's. */
  currency?: string | undefined;
  /** Payments made at or after this time, to the nanosecond if it is a `PreciseDate`, otherwise to the millisecond. */
  minCreateTime?: Date | undefined;
  /** Payments made at or before this time, with the same precision. */
  maxCreateTime?: Date | undefined;
}

/** The parameters of {@link PaymentsClient.listPayments}. */
export interface ListPaymentsParams extends PaymentConditions {
  /** `create_time desc` (the default) or `create_time asc`. */
  orderBy?: string | undefined;
  /** The maximum number of payments in a page, at most 1000. By default, the service chooses. */
  pageSize?: number | undefined;
}

/** The parameters of {@link PaymentsClient.listPaymentsPage}. */
export interface ListPaymentsPageParams extends ListPaymentsParams {
  /** The `nextPageToken` of the previous page, with the same conditions and order. Omit it for the first page. */
  pageToken?: string | undefined;
  /** Whether to count all matching payments. The cost grows with the number of matches. */
  includeTotalSize?: boolean | undefined;
}

/** The parameters of {@link PaymentsClient.listPaymentEvents} and {@link PaymentsClient.listPaymentEventsPage}. */
export interface ListPaymentEventsParams {
  /** The payment whose events to list. */
  paymentId: Id;
  /** The maximum number of events in a page, at most 1000. By default, the service chooses. */
  pageSize?: number | undefined;
  /** Where to start: the `nextPageToken` of a page. The default is the first event. */
  pageToken?: string | undefined;
}

/** The parameters of {@link PaymentsClient.watchPayments}. */
export interface WatchPaymentsParams {
  /** The token of an earlier update, to stream all events after it. The default is to stream events from now on. */
  resumeToken?: string | undefined;
}

/** The options of a watch. */
export interface WatchOptions {
  /** How long the service may be continuously unreachable before the iterator rejects. The default is forever. */
  timeoutSeconds?: number | undefined;
  /** Ends the watch: the iterator then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}
