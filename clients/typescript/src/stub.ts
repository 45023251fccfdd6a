/** The RPCs as the client calls them: the stub that is generated for `@grpc/grpc-js`, or the one for browsers. */
import type { status } from "./codes.js";
import type {
  BatchChargeRequest,
  BatchChargeResponse,
  ChargeRequest,
  ChargeResponse,
  GetPaymentRequest,
  GetPaymentResponse,
  ListPaymentEventsRequest,
  ListPaymentEventsResponse,
  ListPaymentsRequest,
  ListPaymentsResponse,
  ListRefundsRequest,
  ListRefundsResponse,
  RefundRequest,
  RefundResponse,
  WatchPaymentsRequest,
  WatchPaymentsResponse,
} from "./generated/payments/v1/payments.js";

/** An error with which a transport ends a call. */
export interface RpcError extends Error {
  readonly code: status;
  readonly details: string;
  /** The trailers. Values of entries whose name ends with `-bin` are bytes. */
  readonly metadata: { get(name: string): (string | Uint8Array)[] };
}

/** A unary RPC. `deadline` is in milliseconds since 1970. */
export type Rpc<Request, Response, Metadata> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: RpcError | null, response: Response) => void,
) => { cancel(): void };

/** The responses of a stream. It ends with an {@link RpcError}, or without an error. */
export interface ResponseStream<Response> {
  /** Ends the call. */
  cancel(): void;
  /** Discards buffered responses. */
  destroy(): void;
  on(event: "error", listener: (error: unknown) => void): unknown;
  [Symbol.asyncIterator](): AsyncIterator<Response>;
}

/** The RPCs of the service. Each call has its own `Metadata`, because interceptors add their own to it. */
export interface Stub<Metadata> {
  charge: Rpc<ChargeRequest, ChargeResponse, Metadata>;
  batchCharge: Rpc<BatchChargeRequest, BatchChargeResponse, Metadata>;
  refund: Rpc<RefundRequest, RefundResponse, Metadata>;
  getPayment: Rpc<GetPaymentRequest, GetPaymentResponse, Metadata>;
  listRefunds: Rpc<ListRefundsRequest, ListRefundsResponse, Metadata>;
  listPayments: Rpc<ListPaymentsRequest, ListPaymentsResponse, Metadata>;
  listPaymentEvents: Rpc<ListPaymentEventsRequest, ListPaymentEventsResponse, Metadata>;
  watchPayments(request: WatchPaymentsRequest, metadata: Metadata): ResponseStream<WatchPaymentsResponse>;
  close(): void;
}

/** The RPCs of a service that ignores the metadata of a call, so that any client can use it: see `FakePayments`. */
export type Transport = Stub<unknown>;
