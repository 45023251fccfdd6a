/** The parameters of the calls. A property that is missing or undefined means its default. */
import type { Decimal } from "decimal.js";

import type { Id } from "./ids.js";
import type { PaymentEventType, PaymentMethod, PaymentStatus, RefundState } from "./models.js";

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
  /** The order, 1 or more. It may be left out if there is an `externalReference`. */
  orderId?: Id | undefined;
  /** In units of the currency (rupees, not paise): more than zero, with no more decimals than the currency has. */
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
  /**
   * Your own name of the order, such as the number that your customers see: at most 100 characters, no control
   * characters. It need not be unique.
   */
  externalReference?: string | undefined;
  /**
   * Your customer: at most 100 characters, no control characters. Use an identifier, not a name or an address. An
   * operator can erase it.
   */
  customerId?: string | undefined;
  /** For your own use: at most 16 labels, with keys of 1 to 40 characters and values of at most 100. */
  labels?: Readonly<Record<string, string>> | undefined;
  /**
   * The payer's means of payment: a token of the processor, such as the `pm_...` of Stripe, never a card number. By
   * default, the deployment's own means of payment for the `method` is charged, if there is one. With a simulated
   * processor, it chooses the outcome instead, for tests (`sim_declined`).
   */
  paymentSource?: string | undefined;
  /**
   * Your page to which the payer returns after an approval in the browser: an https URL of at most 2048 characters.
   * Only with a `paymentSource`. Without it, a charge that needs such an approval fails with `AUTHENTICATION_REQUIRED`.
   * A retry with the same `requestId` may have another one.
   */
  returnUrl?: string | undefined;
  /**
   * Whether to reject the charge with `OrderHasPendingPayment` while another payment of the same order is pending, so
   * that an impatient customer does not pay twice. The order is that of `orderId`, or of `externalReference` if there
   * is no `orderId`.
   */
  unlessPending?: boolean | undefined;
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

/** The parameters of {@link PaymentsClient.getPayment}: the payment's id, its reference, or its charge's request_id. */
export type GetPaymentParams =
  | { paymentId: Id; reference?: undefined; requestId?: undefined; caller?: undefined }
  | { reference: string; paymentId?: undefined; requestId?: undefined; caller?: undefined }
  | {
      requestId: string;
      /** The caller whose `requestId` it is, by default you. Another caller's requires the role `payments.audit`. */
      caller?: string | undefined;
      paymentId?: undefined;
      reference?: undefined;
    };

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
  /** The payment whose charge had this request_id, of the caller in `caller`, by default of you. */
  requestId?: string | undefined;
  /** Payments charged by the caller with this name. */
  caller?: string | undefined;
  /** Payments with this identifier at the processor. */
  processorReference?: string | undefined;
  /** Payments with this `externalReference`. */
  externalReference?: string | undefined;
  /** Payments of this customer. */
  customerId?: string | undefined;
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

/** Selects events. An event must satisfy all conditions that are set. */
export interface PaymentEventConditions {
  /** Events of payments charged by the caller with this name. */
  caller?: string | undefined;
  /** Events of payments of this order. */
  orderId?: Id | undefined;
  /** Events of payments with this `externalReference`. */
  externalReference?: string | undefined;
  /** Events of payments of this customer. An erased customer matches no event, not even an earlier one. */
  customerId?: string | undefined;
  /** Events of one of these types; empty means any. */
  types?: Iterable<Sendable<PaymentEventType>> | undefined;
}

/** The parameters of {@link PaymentsClient.watchPayments}. */
export interface WatchPaymentsParams extends PaymentEventConditions {
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
