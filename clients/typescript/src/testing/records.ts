/** The requests, payments, refunds and events that the fake keeps. They never change; a change makes a new one. */
import type { Timestamp } from "../generated/google/protobuf/timestamp.js";
import type {
  DisputeStatus,
  Failure,
  NextAction,
  PaymentEventType,
  PaymentMethod,
  PaymentStatus,
  RefundStatus,
} from "../generated/payments/v1/payments.js";
import type { Amount } from "./currencies.js";
import type { SimulatedSource } from "./sources.js";

/** A charge as it was requested. */
export interface Charge {
  readonly orderId: bigint;
  readonly amount: Amount;
  readonly method: PaymentMethod;
  readonly requestId: string;
  readonly externalReference: string;
  readonly customerId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly source: SimulatedSource | undefined;
  readonly unlessPending: boolean;
}

/** A payment. `refundedMinor` is the sum of its refunds, except failed ones, in minor units. */
export interface PaymentRecord {
  readonly paymentId: bigint;
  readonly charge: Charge;
  readonly method: PaymentMethod;
  readonly status: PaymentStatus;
  readonly reference: string;
  readonly createTime: Timestamp;
  readonly refundedMinor: bigint;
  readonly failure: Failure;
  readonly failureCode: string;
  readonly nextAction: NextAction | undefined;
  readonly dispute: DisputeRecord | undefined;
}

/** A dispute of the whole amount of a payment. */
export interface DisputeRecord {
  readonly status: DisputeStatus;
  readonly openTime: Timestamp;
  readonly closeTime: Timestamp | undefined;
}

/** A refund as it was requested. Without an amount, it is all that has not been refunded. */
export interface RefundOrder {
  readonly paymentId: bigint;
  readonly amount: Amount | undefined;
  readonly reason: string;
  readonly requestId: string;
}

/** A refund of a payment. */
export interface RefundRecord {
  readonly refundId: bigint;
  readonly order: RefundOrder;
  readonly amount: Amount;
  readonly status: RefundStatus;
  readonly createTime: Timestamp;
  readonly failure: Failure;
  readonly failureCode: string;
}

/** An event, with the payment and the refund as they were after it. `sequence` is its position among all events. */
export interface EventRecord {
  readonly sequence: number;
  readonly type: PaymentEventType;
  readonly time: Timestamp;
  readonly payment: PaymentRecord;
  readonly refund: RefundRecord | undefined;
}
