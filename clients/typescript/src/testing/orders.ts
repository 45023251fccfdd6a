/** The orders of a list of payments. */
import { compareTimes } from "./clock.js";
import type { PaymentRecord } from "./records.js";
import { InvalidValue } from "./request_reader.js";

/** An order by its name, with the function that `Array.sort` takes. */
export interface Order {
  readonly name: string;
  readonly compare: (one: PaymentRecord, other: PaymentRecord) => number;
}

const OLDEST_FIRST: Order = {
  name: "create_time asc",
  // Payments with the same time are ordered by their ids.
  compare: (one, other) => compareTimes(one.createTime, other.createTime) || Number(one.paymentId - other.paymentId),
};

const NEWEST_FIRST: Order = {
  name: "create_time desc",
  compare: (one, other) => OLDEST_FIRST.compare(other, one),
};

/** Returns the order that `order_by` names. @throws InvalidValue if there is none. */
export function orderOf(orderBy: string): Order {
  switch (orderBy.trim().replace(/\s+/g, " ")) {
    case "":
    case "create_time desc":
      return NEWEST_FIRST;
    case "create_time":
    case "create_time asc":
      return OLDEST_FIRST;
    default:
      throw new InvalidValue(`must be "${NEWEST_FIRST.name}" or "${OLDEST_FIRST.name}"`);
  }
}
