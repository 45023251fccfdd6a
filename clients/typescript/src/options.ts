import type { ChannelCredentials, ChannelOptions, Interceptor } from "@grpc/grpc-js";

import type { Transport } from "./stub.js";

/** The options of a {@link PaymentsClient}. Each has a default. */
export interface PaymentsClientOptions {
  /**
   * The service's address, or a gRPC target with several addresses (`dns:///payments:50051`,
   * `ipv4:10.0.0.1:50051,10.0.0.2:50051`), over which the client spreads calls. The default is `127.0.0.1:50051`.
   */
  target?: string | undefined;
  /** The time limit of a call, including all retries. The default is 10 seconds. */
  timeoutSeconds?: number | undefined;
  /** TLS credentials (`grpc.credentials.createSsl()`). By default, nothing is encrypted. */
  credentials?: ChannelCredentials | undefined;
  /** The API key that authenticates the caller. Sent only over TLS or to a loopback address. */
  apiKey?: string | undefined;
  /**
   * gRPC interceptors, the first one outermost. They run for each attempt, which includes gRPC's own retries, and for
   * each stream of a watch.
   */
  interceptors?: readonly Interceptor[] | undefined;
  /** gRPC channel options, which override the client's own options of the same name. */
  channelOptions?: ChannelOptions | undefined;
  /**
   * Replaces the connection, for tests: `FakePayments` of `@payments/client/testing` has one. Of the other options, only
   * `timeoutSeconds` then has an effect.
   */
  transport?: Transport | undefined;
  /** Identifies your program to the service, for example `checkout/1.4`. */
  userAgent?: string | undefined;
}
