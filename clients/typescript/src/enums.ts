/** Converts between the contract's enum values and their short names. */
import {
  DisputeStatus as DisputeStatusNumber,
  Failure as FailureNumber,
  NextActionType as NextActionTypeNumber,
  PaymentEventType as EventTypeNumber,
  PaymentMethod as MethodNumber,
  PaymentStatus as StatusNumber,
  RefundState as RefundStateNumber,
  RefundStatus as RefundStatusNumber,
} from "./generated/payments/v1/payments.js";

class EnumNames<Name extends string, Value extends number> {
  readonly #values: ReadonlyMap<unknown, Value>;
  readonly #names: ReadonlyMap<number, Name>;

  constructor(values: Readonly<Record<Name, Value>>) {
    const members = Object.entries(values) as [Name, Value][];
    this.#values = new Map(members);
    this.#names = new Map(members.map(([name, value]) => [value, name]));
  }

  /** Returns the short name of a value, or `UNKNOWN` for a value from a newer service. */
  name(value: number): Name | "UNKNOWN" {
    return this.#names.get(value) ?? "UNKNOWN";
  }

  /**
   * Returns the value with a short name.
   *
   * @throws RangeError if there is no such value. There is none for `UNKNOWN`, which cannot be sent.
   */
  value(argument: string, name: unknown): Value {
    const value = this.#values.get(name);
    if (value === undefined) {
      throw new RangeError(`${argument} must be one of ${[...this.#values.keys()].join(", ")}, not ${String(name)}`);
    }
    return value;
  }
}

export const paymentMethods = new EnumNames({
  UPI: MethodNumber.UPI,
  CARD: MethodNumber.CARD,
  COD: MethodNumber.COD,
  OTHER: MethodNumber.OTHER,
});

export const paymentStatuses = new EnumNames({
  PENDING: StatusNumber.PENDING,
  SUCCEEDED: StatusNumber.SUCCEEDED,
  FAILED: StatusNumber.FAILED,
});

export const refundStates = new EnumNames({
  NONE: RefundStateNumber.NONE,
  PARTIAL: RefundStateNumber.PARTIAL,
  FULL: RefundStateNumber.FULL,
});

export const refundStatuses = new EnumNames({
  PENDING: RefundStatusNumber.PENDING,
  SUCCEEDED: RefundStatusNumber.SUCCEEDED,
  FAILED: RefundStatusNumber.FAILED,
});

export const failures = new EnumNames({
  INSUFFICIENT_FUNDS: FailureNumber.INSUFFICIENT_FUNDS,
  EXPIRED_METHOD: FailureNumber.EXPIRED_METHOD,
  INVALID_METHOD: FailureNumber.INVALID_METHOD,
  AUTHENTICATION_REQUIRED: FailureNumber.AUTHENTICATION_REQUIRED,
  SUSPECTED_FRAUD: FailureNumber.SUSPECTED_FRAUD,
  LIMIT_EXCEEDED: FailureNumber.LIMIT_EXCEEDED,
  DECLINED: FailureNumber.DECLINED,
  PROCESSOR_ERROR: FailureNumber.PROCESSOR_ERROR,
});

export const nextActionTypes = new EnumNames({
  REDIRECT: NextActionTypeNumber.REDIRECT,
  APPROVE_ON_PHONE: NextActionTypeNumber.APPROVE_ON_PHONE,
});

export const disputeStatuses = new EnumNames({
  OPEN: DisputeStatusNumber.OPEN,
  WON: DisputeStatusNumber.WON,
  LOST: DisputeStatusNumber.LOST,
});

export const paymentEventTypes = new EnumNames({
  PENDING: EventTypeNumber.PENDING,
  CHARGED: EventTypeNumber.CHARGED,
  FAILED: EventTypeNumber.FAILED,
  REFUND_PENDING: EventTypeNumber.REFUND_PENDING,
  REFUNDED: EventTypeNumber.REFUNDED,
  REFUND_FAILED: EventTypeNumber.REFUND_FAILED,
  IMPORTED: EventTypeNumber.IMPORTED,
  FORGOTTEN: EventTypeNumber.FORGOTTEN,
  ACTION_REQUIRED: EventTypeNumber.ACTION_REQUIRED,
  DISPUTE_OPENED: EventTypeNumber.DISPUTE_OPENED,
  DISPUTE_WON: EventTypeNumber.DISPUTE_WON,
  DISPUTE_LOST: EventTypeNumber.DISPUTE_LOST,
});
