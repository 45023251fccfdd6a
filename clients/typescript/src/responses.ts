/** Converts the contract's messages to the client's results. */
import { status } from "./codes.js";
import { errorFromStatus } from "./error_details.js";
import { InternalError, type PaymentsError } from "./errors.js";
import {
  disputeStatuses,
  failures,
  nextActionTypes,
  paymentEventTypes,
  paymentMethods,
  paymentStatuses,
  refundStates,
  refundStatuses,
} from "./enums.js";
import { Timestamp } from "./generated/google/protobuf/timestamp.js";
import { Money } from "./generated/google/type/money.js";
import {
  type BatchChargeRequest,
  type BatchChargeResponse,
  type Dispute as DisputeMessage,
  Failure as FailureNumber,
  type GetPaymentResponse,
  type ListPaymentEventsResponse,
  type ListPaymentsResponse,
  type ListRefundsResponse,
  type NextAction as NextActionMessage,
  Payment as PaymentMessage,
  type PaymentEvent as PaymentEventMessage,
  type Refund as RefundMessage,
  type RefundResponse,
  type WatchPaymentsResponse,
} from "./generated/payments/v1/payments.js";
import type {
  Dispute,
  Failure,
  NextAction,
  Payment,
  PaymentDetails,
  PaymentEvent,
  PaymentEventPage,
  PaymentPage,
  PaymentUpdate,
  Refund,
  RefundPage,
  RefundResult,
} from "./models.js";
import { amountOf } from "./money.js";
import { timeOf } from "./times.js";

export function paymentOf(message: PaymentMessage = PaymentMessage.create()): Payment {
  const { amount, createTime, refundedAmount, nextAction, dispute } = message;
  return {
    paymentId: message.paymentId.toString(),
    orderId: message.orderId.toString(),
    amount: amount && amountOf(amount),
    currency: amount?.currencyCode,
    method: paymentMethods.name(message.method),
    otherMethod: message.otherMethod,
    status: paymentStatuses.name(message.status),
    reference: message.reference,
    createTime: createTime && timeOf(createTime),
    refundedAmount: refundedAmount && amountOf(refundedAmount),
    refundState: refundStates.name(message.refundState),
    caller: message.caller,
    requestId: message.requestId,
    processorReference: message.processorReference,
    failure: failureOf(message.failure),
    failureCode: message.failureCode,
    externalReference: message.externalReference,
    customerId: message.customerId,
    labels: message.labels,
    nextAction: nextAction && nextActionOf(nextAction),
    dispute: dispute && disputeOf(dispute),
  };
}

function nextActionOf(message: NextActionMessage): NextAction {
  const { type, redirectUrl, expireTime = Timestamp.create() } = message;
  return { type: nextActionTypes.name(type), redirectUrl, expireTime: timeOf(expireTime) };
}

function disputeOf(message: DisputeMessage): Dispute {
  const { amount, openTime = Timestamp.create(), closeTime } = message;
  return {
    status: disputeStatuses.name(message.status),
    amount: amount && amountOf(amount),
    currency: amount?.currencyCode,
    reason: message.reason,
    openTime: timeOf(openTime),
    closeTime: closeTime && timeOf(closeTime),
    processorReference: message.processorReference,
  };
}

export function chargeOutcomes(
  request: BatchChargeRequest,
  response: BatchChargeResponse,
): (Payment | PaymentsError)[] {
  if (response.results.length !== request.charges.length) {
    throw new InternalError("the response does not have one result for each charge", { code: status.INTERNAL });
  }
  return response.results.map(({ payment, error }, index) =>
    error === undefined ? paymentOf(payment) : errorFromStatus(error, request.charges[index]?.requestId),
  );
}

export function refundOf(message: RefundMessage): Refund {
  const { amount = Money.create(), createTime = Timestamp.create() } = message;
  return {
    refundId: message.refundId.toString(),
    paymentId: message.paymentId.toString(),
    amount: amountOf(amount),
    currency: amount.currencyCode,
    status: refundStatuses.name(message.status),
    reason: message.reason,
    createTime: timeOf(createTime),
    caller: message.caller,
    requestId: message.requestId,
    processorReference: message.processorReference,
    failure: failureOf(message.failure),
    failureCode: message.failureCode,
  };
}

function failureOf(failure: FailureNumber): Failure | undefined {
  return failure === FailureNumber.UNSPECIFIED ? undefined : failures.name(failure);
}

export function refundResult(response: RefundResponse): RefundResult {
  return { refund: response.refund && refundOf(response.refund), payment: paymentOf(response.payment) };
}

export function paymentDetails(response: GetPaymentResponse): PaymentDetails {
  return {
    payment: paymentOf(response.payment),
    refunds: response.refunds.map(refundOf),
    nextRefundsPageToken: response.nextRefundsPageToken,
  };
}

export function refundPage(response: ListRefundsResponse): RefundPage {
  return { refunds: response.refunds.map(refundOf), nextPageToken: response.nextPageToken };
}

export function paymentPage(response: ListPaymentsResponse): PaymentPage {
  return {
    payments: response.payments.map((payment) => paymentOf(payment)),
    nextPageToken: response.nextPageToken,
    totalSize: response.totalSize === undefined ? undefined : Number(response.totalSize),
  };
}

export function paymentEventPage(response: ListPaymentEventsResponse): PaymentEventPage {
  return { events: response.events.map(eventOf), nextPageToken: response.nextPageToken };
}

export function paymentUpdate({ event, resumeToken }: WatchPaymentsResponse): PaymentUpdate {
  return { event: event && eventOf(event), resumeToken };
}

function eventOf(message: PaymentEventMessage): PaymentEvent {
  const { eventTime, payment, refund, caller, requestId } = message;
  return {
    type: paymentEventTypes.name(message.type),
    eventTime: eventTime && timeOf(eventTime),
    payment: paymentOf(payment),
    refund: refund && refundOf(refund),
    caller,
    requestId,
  };
}
