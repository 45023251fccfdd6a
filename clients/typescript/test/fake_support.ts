/** What several tests of the fake need. */
import { PaymentsClient } from "@payments/client";
import { FakePayments, type FakePaymentsOptions } from "@payments/client/testing";

/** Returns a client of a new fake. */
export function fakeClient(options: FakePaymentsOptions = {}): PaymentsClient {
  return new PaymentsClient({ transport: new FakePayments(options).transport });
}

/** Stands still until the test advances it. */
export class ManualClock {
  #milliseconds: number;

  constructor(start = "2026-01-01T00:00:00Z") {
    this.#milliseconds = Date.parse(start);
  }

  readonly now = (): Date => new Date(this.#milliseconds);

  advance(seconds: number): void {
    this.#milliseconds += seconds * 1_000;
  }
}

export async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all = [];
  for await (const item of items) {
    all.push(item);
  }
  return all;
}
