import type { ChannelCredentials, ChannelOptions, Interceptor } from "@grpc/grpc-js";

/** The options of a {@link PaymentsClient}. Each has a default. */
export interface PaymentsClientOptions {
  /**
   * The service's address, or a gRPC target with several addresses (`dns:///payments:50051`,
   * `ipv4:10.0.0.1:50051,10.0.0.2:50051`), over which calls are spread. The default is `127.0.0.1:50051`.
   */
  target?: string | undefined;
  /** The time limit of a call, including all retries. The default is 10. */
  timeoutSeconds?: number | undefined;
  /** TLS credentials (`grpc.credentials.createSsl()`). By default, nothing is encrypted. */
  credentials?: ChannelCredentials | undefined;
  /** The API key that authenticates the caller. Sent only over TLS or to a loopback address. */
  apiKey?: string | undefined;
  /**
   * Run for each attempt and for each stream of a watch, the first one outermost. gRPC's own retries are part of one
   * attempt.
   */
  interceptors?: readonly Interceptor[] | undefined;
  /** gRPC channel options, which override the client's own options of the same name. */
  channelOptions?: ChannelOptions | undefined;
  /** Identifies your program to the service, for example `checkout/1.4`. */
  userAgent?: string | undefined;
}
