import type { ChannelCredentials, ChannelOptions, Interceptor } from "@grpc/grpc-js";

/** How a {@link PaymentsClient} is made; everything has a default. */
export interface PaymentsClientOptions {
  /**
   * The service's address, or a name of gRPC's (`dns:///payments:50051`, `ipv4:10.0.0.1:50051,10.0.0.2:50051`) with
   * several addresses, over which calls are spread. Otherwise `127.0.0.1:50051`.
   */
  target?: string | undefined;
  /** How long a call may take, all its attempts together. Otherwise 10. */
  timeoutSeconds?: number | undefined;
  /** Of TLS (`grpc.credentials.createSsl()`); otherwise everything is sent in the clear. */
  credentials?: ChannelCredentials | undefined;
  /** Says who calls, where the service asks for it; sent only over TLS or to a loopback address. */
  apiKey?: string | undefined;
  /** Around each attempt, of which gRPC's own retries are one, and each stream of a watch; the first is outermost. */
  interceptors?: readonly Interceptor[] | undefined;
  /** Options of gRPC's channel, which replace the client's own of the same name. */
  channelOptions?: ChannelOptions | undefined;
  /** Names your program to the service, as in `checkout/1.4`. */
  userAgent?: string | undefined;
}
