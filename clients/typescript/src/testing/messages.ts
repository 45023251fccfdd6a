/** Converts the records of the fake to the messages of the contract. Each call makes a new message. */
import {
  type Dispute,
  type Payment,
  type PaymentEvent,
  PaymentEventType,
  type Refund,
  RefundState,
} from "../generated/payments/v1/payments.js";
import { moneyOf } from "./currencies.js";
import type { EventRecord, PaymentRecord, RefundRecord } from "./records.js";

/** The name of the caller of every client of the fake. */
export const CALLER = "anonymous";

/** A simulated payment has no identifier at the processor. */
const PROCESSOR_REFERENCE = "";

const DISPUTE_REASON = "fraudulent";

/** The events that no caller requested. */
const DISPUTE_EVENTS: readonly PaymentEventType[] = [
  PaymentEventType.DISPUTE_OPENED,
  PaymentEventType.DISPUTE_WON,
  PaymentEventType.DISPUTE_LOST,
];

export function paymentMessage(payment: PaymentRecord): Payment {
  const { charge, createTime, failure, failureCode } = payment;
  const { amount, orderId, requestId, externalReference, customerId, labels } = charge;
  return {
    paymentId: payment.paymentId,
    orderId,
    amount: moneyOf(amount),
    method: payment.method,
    otherMethod: "",
    status: payment.status,
    reference: payment.reference,
    createTime,
    refundedAmount: moneyOf({ ...amount, minor: payment.refundedMinor }),
    refundState: refundStateOf(payment),
    caller: CALLER,
    requestId,
    processorReference: PROCESSOR_REFERENCE,
    failure,
    failureCode,
    externalReference,
    customerId,
    labels: { ...labels },
    nextAction: payment.nextAction && { ...payment.nextAction },
    dispute: disputeMessage(payment),
  };
}

function disputeMessage({ paymentId, charge, dispute }: PaymentRecord): Dispute | undefined {
  return (
    dispute && {
      ...dispute,
      amount: moneyOf(charge.amount),
      reason: DISPUTE_REASON,
      processorReference: `sim_dispute_${paymentId}`,
    }
  );
}

export function refundMessage(refund: RefundRecord): Refund {
  const { order, amount, refundId, status, createTime, failure, failureCode } = refund;
  return {
    refundId,
    paymentId: order.paymentId,
    amount: moneyOf(amount),
    status,
    reason: order.reason,
    createTime,
    caller: CALLER,
    requestId: order.requestId,
    processorReference: PROCESSOR_REFERENCE,
    failure,
    failureCode,
  };
}

/** Returns the message of an event of a payment whose next action is now `nextAction`. */
export function eventMessage(
  { type, time, payment, refund }: EventRecord,
  { nextAction }: Pick<PaymentRecord, "nextAction">,
): PaymentEvent {
  const isRequested = !DISPUTE_EVENTS.includes(type);
  return {
    type,
    eventTime: time,
    payment: paymentMessage({ ...payment, nextAction }),
    refund: refund && refundMessage(refund),
    caller: isRequested ? CALLER : "",
    requestId: isRequested ? (refund?.order ?? payment.charge).requestId : "",
  };
}

export function refundStateOf({ charge, refundedMinor }: PaymentRecord): RefundState {
  if (refundedMinor === 0n) {
    return RefundState.NONE;
  }
  return refundedMinor === charge.amount.minor ? RefundState.FULL : RefundState.PARTIAL;
}
