import { PaymentCalls } from "../payment_calls.js";
import type { Transport } from "../stub.js";
import { webStub } from "./stub.js";

/** The options of a {@link PaymentsClient} in a browser. */
export interface PaymentsClientOptions {
  /** The address of the service, or of a proxy in front of it, such as `https://payments.example.com`. */
  url: string;
  /** The time limit of a call, including all retries. The default is 10 seconds. */
  timeoutSeconds?: number | undefined;
  /** Headers that are sent with each call, for example for a proxy that authenticates the user. Never an API key. */
  headers?: Readonly<Record<string, string>> | undefined;
  transport?: undefined;
}

/** The options of a {@link PaymentsClient} with another transport than gRPC-Web, for tests. */
export interface TransportOptions {
  url?: undefined;
  /** Replaces the connection: `FakePayments` of `@payments/client/testing` has one. */
  transport: Transport;
  /** The time limit of a call. The default is 10 seconds. */
  timeoutSeconds?: number | undefined;
}

/**
 * A client for the payment service in a browser, by gRPC-Web. It has the calls, errors and retries of the client for
 * Node.js, without its connections: the browser owns these.
 */
export class PaymentsClient extends PaymentCalls<undefined> {
  /** @throws RangeError if `timeoutSeconds` is not a finite number. */
  constructor(options: PaymentsClientOptions | TransportOptions) {
    super(
      () => (options.transport === undefined ? webStub(options.url, options.headers ?? {}) : options.transport),
      () => undefined,
      options.timeoutSeconds,
    );
  }
}
