import type { Transport } from "../stub.js";
import { Currencies } from "./currencies.js";
import { Ledger } from "./ledger.js";
import { FakeService } from "./service.js";
import { isSource, type SimulatedSource } from "./sources.js";
import { fakeStub } from "./stub.js";

/** The options of a {@link FakePayments}. */
export interface FakePaymentsOptions {
  /** The currency of amounts that name none. The default is `INR`. */
  defaultCurrency?: string | undefined;
  /** The currencies that may be charged. By default, all of ISO 4217. */
  allowedCurrencies?: Iterable<string> | undefined;
  /**
   * The outcome of charges without a `paymentSource`. The default is `sim_success`, so that tests are repeatable. The
   * simulated processor of the service itself decides at random.
   */
  defaultSource?: SimulatedSource | undefined;
  /**
   * The clock. By default, the system's. An outcome or a dispute arrives when the clock has reached its time: at the
   * next call, or for a waiting watch.
   */
  now?: (() => Date) | undefined;
}

/**
 * An in-memory payment service. It follows the contract, so a test can rely on its statuses, errors, lists and events.
 *
 * ```
 * const payments = new FakePayments({ defaultSource: "sim_insufficient_funds" });
 * const client = new PaymentsClient({ transport: payments.transport });
 * ```
 *
 * The caller is `anonymous`, without the role `payments.audit`. A charge without a method is made by card. Each
 * instance is a separate service, without payments at first.
 */
export class FakePayments {
  /** Connects a client to this service, for Node.js or for browsers. Several clients see the same payments. */
  readonly transport: Transport;

  /** @throws RangeError if a currency or the source does not exist, or the default currency is not allowed. */
  constructor(options: FakePaymentsOptions = {}) {
    const { defaultCurrency = "INR", allowedCurrencies, defaultSource = "sim_success" } = options;
    if (!isSource(defaultSource)) {
      throw new RangeError(`defaultSource must be a simulated source, not ${String(defaultSource)}`);
    }
    const ledger = new Ledger(options.now ?? (() => new Date()), defaultSource);
    this.transport = fakeStub(new FakeService(ledger, new Currencies(defaultCurrency, allowedCurrencies)));
  }
}
