import type { Timestamp } from "../generated/google/protobuf/timestamp.js";
import type { PaymentEventType } from "../generated/payments/v1/payments.js";
import type { EventRecord, PaymentRecord, RefundRecord } from "./records.js";

/** All events, oldest first, and the watches that wait for the next one. */
export class EventLog {
  readonly #events: EventRecord[] = [];
  readonly #waiting = new Set<() => void>();

  /** The sequence of the newest event, or 0 if there is none. Sequences have no gaps. */
  get last(): number {
    return this.#events.length;
  }

  /** Appends an event, and wakes all that wait for one. */
  append(type: PaymentEventType, time: Timestamp, payment: PaymentRecord, refund?: RefundRecord): void {
    this.#events.push({ sequence: this.last + 1, type, time, payment, refund });
    for (const wake of this.#waiting) {
      wake();
    }
  }

  get all(): readonly EventRecord[] {
    return this.#events;
  }

  /** Returns the event after a sequence, if there is one. */
  next(sequence: number): EventRecord | undefined {
    return this.#events[sequence];
  }

  /** Waits for the next event, at most for some time, and only until `stop` is aborted. */
  wait(stop: AbortSignal, milliseconds: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        stop.removeEventListener("abort", wake);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = milliseconds === undefined ? undefined : setTimeout(wake, milliseconds);
      stop.addEventListener("abort", wake);
      this.#waiting.add(wake);
    });
  }
}
