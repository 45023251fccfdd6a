import type { Timestamp } from "../generated/google/protobuf/timestamp.js";
import {
  DisputeStatus,
  Failure,
  type NextAction,
  NextActionType,
  PaymentEventType,
  PaymentMethod,
  PaymentStatus,
  RefundStatus,
} from "../generated/payments/v1/payments.js";
import {
  invalidRequest,
  orderHasPendingPayment,
  paymentDisputed,
  paymentFailed,
  paymentNotFound,
  paymentPending,
  refundExceedsPayment,
  requestIdReused,
} from "./call_errors.js";
import { canonical } from "./canonical.js";
import { compareTimes, millisecondsAfter, plusSeconds, timeNow } from "./clock.js";
import { type Amount, decimalOf } from "./currencies.js";
import { EventLog } from "./event_log.js";
import type { Charge, DisputeRecord, PaymentRecord, RefundOrder, RefundRecord } from "./records.js";
import { type DisputePlan, type Outcome, type SimulatedSource, type Source, sourceOf } from "./sources.js";

/** What happens to a payment or a refund at some time, such as the outcome of a pending charge. */
interface ScheduledChange {
  readonly time: Timestamp;
  apply(): void;
}

/** All payments and refunds, and the rules for them. */
export class Ledger {
  readonly events = new EventLog();
  readonly #now: () => Date;
  readonly #defaultSource: SimulatedSource;
  readonly #payments = new Map<bigint, PaymentRecord>();
  readonly #refunds = new Map<bigint, RefundRecord>();
  /** The payments and refunds by the request_id of their calls. */
  readonly #paymentIds = new Map<string, bigint>();
  readonly #refundIds = new Map<string, bigint>();
  #scheduled: ScheduledChange[] = [];

  constructor(now: () => Date, defaultSource: SimulatedSource) {
    this.#now = now;
    this.#defaultSource = defaultSource;
  }

  /** Applies the changes whose time has come. Every call does so first. */
  settle(): void {
    const now = timeNow(this.#now);
    const isDue = ({ time }: ScheduledChange) => compareTimes(time, now) <= 0;
    const due = this.#scheduled.filter(isDue).sort((one, other) => compareTimes(one.time, other.time));
    this.#scheduled = this.#scheduled.filter((change) => !isDue(change));
    for (const change of due) {
      change.apply();
    }
  }

  /** Waits for the next event, or until a scheduled change is due, or until `stop` is aborted. */
  async waitForEvent(stop: AbortSignal): Promise<void> {
    const now = timeNow(this.#now);
    const delays = this.#scheduled.map(({ time }) => millisecondsAfter(now, time));
    await this.events.wait(stop, delays.length === 0 ? undefined : Math.min(...delays));
  }

  /** Returns all payments, in the order of their ids. */
  payments(): PaymentRecord[] {
    return [...this.#payments.values()];
  }

  /** @throws CallError if no payment matches. */
  find(matches: (payment: PaymentRecord) => boolean): PaymentRecord {
    const payment = this.payments().find(matches);
    if (payment === undefined) {
      throw paymentNotFound();
    }
    return payment;
  }

  /** @throws CallError if there is no such payment. */
  payment(paymentId: bigint): PaymentRecord {
    const payment = this.#payments.get(paymentId);
    if (payment === undefined) {
      throw paymentNotFound();
    }
    return payment;
  }

  /** Returns the refunds of a payment, oldest first. */
  refundsOf(paymentId: bigint): RefundRecord[] {
    return [...this.#refunds.values()].filter(({ order }) => order.paymentId === paymentId);
  }

  /**
   * Makes a charge, or returns the payment of an earlier one with the same request_id.
   *
   * @throws CallError if the request_id came with other parameters, or the order has a pending payment.
   */
  charge(charge: Charge): { payment: PaymentRecord; replayed: boolean } {
    const paymentId = this.#paymentIds.get(charge.requestId);
    if (paymentId !== undefined) {
      const payment = this.payment(paymentId);
      if (chargeParameters(payment.charge) !== chargeParameters(charge)) {
        throw requestIdReused("Charge", charge.requestId);
      }
      return { payment, replayed: true };
    }
    if (charge.unlessPending) {
      this.#checkNonePending(charge);
    }
    return { payment: this.payment(this.#newPayment(charge)), replayed: false };
  }

  /**
   * Makes a refund, or returns the earlier one with the same request_id.
   *
   * @throws CallError if the request_id came with other parameters, or the payment does not have that much to refund.
   */
  refund(order: RefundOrder): { refund: RefundRecord; payment: PaymentRecord } {
    const earlierId = this.#refundIds.get(order.requestId);
    if (earlierId !== undefined && canonical(this.#refund(earlierId).order) !== canonical(order)) {
      throw requestIdReused("Refund", order.requestId);
    }
    const refundId = earlierId ?? this.#newRefund(order);
    return { refund: this.#refund(refundId), payment: this.payment(order.paymentId) };
  }

  #checkNonePending({ orderId, externalReference }: Charge): void {
    const pending = this.payments().find(
      ({ status, charge }) =>
        status === PaymentStatus.PENDING &&
        (orderId === 0n ? charge.externalReference === externalReference : charge.orderId === orderId),
    );
    if (pending !== undefined) {
      throw orderHasPendingPayment(pending.paymentId);
    }
  }

  #newPayment(charge: Charge): bigint {
    const now = timeNow(this.#now);
    const paymentId = BigInt(this.#payments.size + 1);
    const reference = `FAKE-${paymentId.toString().padStart(20, "0")}`;
    const { charge: outcome, needsApproval = false, dispute } = this.#sourceOf(charge);
    const pending: PaymentRecord = {
      paymentId,
      charge,
      method: charge.method === PaymentMethod.UNSPECIFIED ? PaymentMethod.CARD : charge.method,
      status: PaymentStatus.PENDING,
      reference,
      createTime: now,
      refundedMinor: 0n,
      failure: Failure.UNSPECIFIED,
      failureCode: "",
      nextAction: needsApproval ? approval(reference, plusSeconds(now, outcome.afterSeconds)) : undefined,
      dispute: undefined,
    };
    this.#paymentIds.set(charge.requestId, paymentId);
    this.#payments.set(paymentId, pending);
    const isInstant = outcome.afterSeconds === 0;
    // The service also has it for a disputed payment, because it stores such a payment before it charges the amount.
    if (!isInstant || dispute !== undefined) {
      this.events.append(PaymentEventType.PENDING, now, pending);
    }
    if (pending.nextAction !== undefined) {
      this.events.append(PaymentEventType.ACTION_REQUIRED, now, pending);
    }
    if (isInstant) {
      this.#finishCharge(pending, outcome, now);
    } else {
      this.#schedule(now, outcome.afterSeconds, (time) => {
        this.#finishCharge(pending, outcome, time);
      });
    }
    if (dispute !== undefined) {
      this.#scheduleDispute(paymentId, dispute, now);
    }
    return paymentId;
  }

  #finishCharge(pending: PaymentRecord, { failure, failureCode }: Outcome, time: Timestamp): void {
    const succeeded = failure === Failure.UNSPECIFIED;
    const status = succeeded ? PaymentStatus.SUCCEEDED : PaymentStatus.FAILED;
    const payment = { ...pending, status, failure, failureCode, nextAction: undefined };
    this.#payments.set(payment.paymentId, payment);
    this.events.append(succeeded ? PaymentEventType.CHARGED : PaymentEventType.FAILED, time, payment);
  }

  #scheduleDispute(paymentId: bigint, plan: DisputePlan, now: Timestamp): void {
    const { opensAfterSeconds, closesAfterSeconds, closesAs } = plan;
    const openTime = plusSeconds(now, opensAfterSeconds);
    this.#schedule(now, opensAfterSeconds, () => {
      const dispute = { status: DisputeStatus.OPEN, openTime, closeTime: undefined };
      this.#setDispute(paymentId, dispute, PaymentEventType.DISPUTE_OPENED, openTime);
    });
    const type = closesAs === DisputeStatus.WON ? PaymentEventType.DISPUTE_WON : PaymentEventType.DISPUTE_LOST;
    this.#schedule(now, closesAfterSeconds, (closeTime) => {
      this.#setDispute(paymentId, { status: closesAs, openTime, closeTime }, type, closeTime);
    });
  }

  #setDispute(paymentId: bigint, dispute: DisputeRecord, type: PaymentEventType, time: Timestamp): void {
    const payment = { ...this.payment(paymentId), dispute };
    this.#payments.set(paymentId, payment);
    this.events.append(type, time, payment);
  }

  #newRefund(order: RefundOrder): bigint {
    const now = timeNow(this.#now);
    const payment = this.payment(order.paymentId);
    const refundId = BigInt(this.#refunds.size + 1);
    const pending: RefundRecord = {
      refundId,
      order,
      amount: amountToRefund(payment, order.amount),
      status: RefundStatus.PENDING,
      createTime: now,
      failure: Failure.UNSPECIFIED,
      failureCode: "",
    };
    this.#refundIds.set(order.requestId, refundId);
    this.#refunds.set(refundId, pending);
    this.#addToRefunded(order.paymentId, pending.amount.minor);
    const { refund: outcome, laterRefundFailure } = this.#sourceOf(payment.charge);
    const isInstant = outcome.afterSeconds === 0;
    if (!isInstant || outcome.failure !== Failure.UNSPECIFIED || laterRefundFailure !== undefined) {
      this.events.append(PaymentEventType.REFUND_PENDING, now, this.payment(order.paymentId), pending);
    }
    if (isInstant) {
      this.#finishRefund(pending, outcome, now);
    } else {
      this.#schedule(now, outcome.afterSeconds, (time) => {
        this.#finishRefund(pending, outcome, time);
      });
    }
    if (laterRefundFailure !== undefined) {
      this.#schedule(now, laterRefundFailure.afterSeconds, (time) => {
        this.#finishRefund(this.#refund(refundId), laterRefundFailure, time);
      });
    }
    return refundId;
  }

  /** Sets the outcome of a refund that is pending, or that succeeded and fails now. */
  #finishRefund(earlier: RefundRecord, { failure, failureCode }: Outcome, time: Timestamp): void {
    const succeeded = failure === Failure.UNSPECIFIED;
    const status = succeeded ? RefundStatus.SUCCEEDED : RefundStatus.FAILED;
    const refund = { ...earlier, status, failure, failureCode };
    this.#refunds.set(refund.refundId, refund);
    if (!succeeded) {
      this.#addToRefunded(refund.order.paymentId, -refund.amount.minor);
    }
    const type = succeeded ? PaymentEventType.REFUNDED : PaymentEventType.REFUND_FAILED;
    this.events.append(type, time, this.payment(refund.order.paymentId), refund);
  }

  #refund(refundId: bigint): RefundRecord {
    const refund = this.#refunds.get(refundId);
    if (refund === undefined) {
      throw new Error(`refund ${refundId} does not exist`);
    }
    return refund;
  }

  #addToRefunded(paymentId: bigint, minor: bigint): void {
    const payment = this.payment(paymentId);
    this.#payments.set(paymentId, { ...payment, refundedMinor: payment.refundedMinor + minor });
  }

  #schedule(now: Timestamp, afterSeconds: number, apply: (time: Timestamp) => void): void {
    const time = plusSeconds(now, afterSeconds);
    this.#scheduled.push({
      time,
      apply: () => {
        apply(time);
      },
    });
  }

  #sourceOf(charge: Charge): Source {
    return sourceOf(charge.source ?? this.#defaultSource);
  }
}

/** Returns the approval of a payment, which the payer must give before `expireTime`. */
function approval(reference: string, expireTime: Timestamp): NextAction {
  const redirectUrl = `https://payments.example/approve/${reference}`;
  return { type: NextActionType.REDIRECT, redirectUrl, expireTime };
}

/** Returns the parameters that a retry must repeat. The order of labels does not matter, nor does `unlessPending`. */
function chargeParameters(charge: Charge): string {
  const labels = Object.entries(charge.labels).sort(([one], [other]) => (one < other ? -1 : 1));
  return canonical({ ...charge, labels, unlessPending: undefined });
}

/** Returns what is requested, or everything that remains. @throws CallError if there is not that much to refund. */
function amountToRefund(
  { status, charge, refundedMinor, dispute }: PaymentRecord,
  requested: Amount | undefined,
): Amount {
  if (status === PaymentStatus.FAILED) {
    throw paymentFailed();
  }
  if (status === PaymentStatus.PENDING) {
    throw paymentPending();
  }
  const { currency, minor } = charge.amount;
  const remaining = { currency, minor: minor - refundedMinor };
  if (remaining.minor === 0n) {
    throw refundExceedsPayment("nothing is left to refund");
  }
  checkDispute(dispute);
  if (requested !== undefined && requested.currency !== currency) {
    throw invalidRequest({ field: "amount.currency_code", description: `must be the payment's currency, ${currency}` });
  }
  if (requested !== undefined && requested.minor > remaining.minor) {
    throw refundExceedsPayment(`only ${decimalOf(remaining)} ${currency} is left to refund`);
  }
  return requested ?? remaining;
}

/** @throws CallError if a payment with this dispute cannot be refunded, because the payer could get the money twice. */
function checkDispute(dispute: DisputeRecord | undefined): void {
  if (dispute?.status === DisputeStatus.OPEN) {
    throw paymentDisputed("the payer disputes this payment; it cannot be refunded while the dispute is open");
  }
  if (dispute?.status === DisputeStatus.LOST) {
    throw paymentDisputed("the payer got the money back by a dispute; it cannot be refunded");
  }
}
