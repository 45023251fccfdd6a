/** The RPCs over gRPC-Web, which browsers can send with `fetch`. */
import {
  type CallOptions,
  type Channel,
  type Client,
  ClientError,
  createChannel,
  createClient,
  FetchTransport,
  Metadata,
} from "nice-grpc-web";

import { codeOf, status } from "../codes.js";
import { PaymentServiceDefinition } from "../generated/web/payments/v1/payments.js";
import type { ResponseStream, Rpc, RpcError, Stub } from "../stub.js";

type WebClient = Client<typeof PaymentServiceDefinition>;
type UnaryName = Exclude<keyof WebClient, "watchPayments">;

/** A unary call, with the messages that are generated for Node.js. Those for browsers have the same fields. */
type UnaryCall<Request, Response> = (request: Request, options: CallOptions) => Promise<Response>;

type Endpoint = Pick<Channel, "address" | "transport">;

/** The longest timeout that `grpc-timeout` can express, in milliseconds. */
const MAX_TIMEOUT_MILLISECONDS = 99_999_999;

/** Returns a stub for the service at `url`, which sends `headers` with each call. */
export function webStub(url: string, headers: Readonly<Record<string, string>>): Stub<undefined> {
  const endpoint = { address: url.replace(/\/+$/, ""), transport: FetchTransport() };
  const unary =
    <Request, Response>(name: UnaryName): Rpc<Request, Response, undefined> =>
    (request, _metadata, { deadline }, callback) => {
      const attempt = new Attempt(endpoint, headers, deadline);
      const call = attempt.client[name] as unknown as UnaryCall<Request, Response>;
      call(request, attempt.options).then(
        (response) => {
          attempt.end();
          callback(null, response);
        },
        (error: unknown) => {
          attempt.end();
          // The caller ignores the response of a call that failed.
          callback(attempt.rpcError(error), undefined as Response);
        },
      );
      return attempt;
    };
  return {
    charge: unary("charge"),
    batchCharge: unary("batchCharge"),
    refund: unary("refund"),
    getPayment: unary("getPayment"),
    listRefunds: unary("listRefunds"),
    listPayments: unary("listPayments"),
    listPaymentEvents: unary("listPaymentEvents"),
    watchPayments(request) {
      const attempt = new Attempt(endpoint, headers);
      return responseStream(attempt, attempt.client.watchPayments(request, attempt.options));
    },
    // The browser owns the connections.
    close: () => undefined,
  };
}

/** One attempt of a call, and what is known about its end. */
class Attempt {
  readonly client: WebClient;
  readonly options: CallOptions;
  readonly #stop = new AbortController();
  #stoppedWith: status | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #transportError: unknown;
  #trailers = Metadata();

  /** Prepares a call that ends at `deadline`, in milliseconds since 1970. */
  constructor({ address, transport }: Endpoint, headers: Readonly<Record<string, string>>, deadline?: number) {
    // The package reports each error of a transport as UNKNOWN, and so does not tell which calls may be retried.
    const keepTransportError = (error: unknown) => {
      this.#transportError = error;
    };
    const channel = createChannel(address, async function* (params) {
      try {
        yield* transport(params);
      } catch (error) {
        keepTransportError(error);
        throw error;
      }
    });
    this.client = createClient(PaymentServiceDefinition, channel);
    const metadata = Metadata(headers);
    if (deadline !== undefined) {
      const milliseconds = Math.min(Math.max(1, Math.ceil(deadline - Date.now())), MAX_TIMEOUT_MILLISECONDS);
      metadata.set("grpc-timeout", `${milliseconds}m`);
      this.#timer = setTimeout(() => {
        this.#stopWith(status.DEADLINE_EXCEEDED);
      }, milliseconds);
    }
    const onTrailer = (trailers: Metadata) => {
      this.#trailers = trailers;
    };
    this.options = { metadata, signal: this.#stop.signal, onTrailer };
  }

  cancel(): void {
    this.#stopWith(status.CANCELLED);
  }

  /** Stops the timer of the deadline, because the call has ended. */
  end(): void {
    clearTimeout(this.#timer);
  }

  /** Returns the error with which a call ended that failed with `error`. */
  rpcError(error: unknown): RpcError {
    if (this.#stoppedWith !== undefined) {
      const details = this.#stoppedWith === status.CANCELLED ? "the call was canceled" : "the deadline has passed";
      return new WebRpcError(this.#stoppedWith, details, this.#trailers, error);
    }
    const { cause, code, details } = describe(this.#transportError ?? error);
    return new WebRpcError(code, details, this.#trailers, cause);
  }

  #stopWith(code: status): void {
    this.#stoppedWith ??= code;
    this.#stop.abort();
  }
}

/** Returns the status of an error, which is UNAVAILABLE if there was no response, or not all of it. */
function describe(error: unknown): { cause: unknown; code: status; details: string } {
  if (error instanceof ClientError) {
    return { cause: error, code: codeOf(error.code), details: error.details };
  }
  const message = error instanceof Error ? error.message : String(error);
  const details = `the service could not be reached, or does not allow pages of this origin: ${message}`;
  return { cause: error, code: status.UNAVAILABLE, details };
}

class WebRpcError extends Error implements RpcError {
  override readonly name = "WebRpcError";
  readonly metadata: RpcError["metadata"];

  constructor(
    readonly code: status,
    readonly details: string,
    trailers: Metadata,
    cause: unknown,
  ) {
    super(`${code} ${status[code]}: ${details}`, { cause });
    this.metadata = { get: (name) => trailers.getAll(name) };
  }
}

/** Returns the responses of an attempt as a stream, whose errors are those of `attempt`. */
function responseStream<Response>(attempt: Attempt, responses: AsyncIterable<Response>): ResponseStream<Response> {
  return {
    cancel: () => {
      attempt.cancel();
    },
    destroy: () => undefined,
    // Errors reach only the iterator.
    on: () => undefined,
    async *[Symbol.asyncIterator]() {
      try {
        yield* responses;
      } catch (error) {
        throw attempt.rpcError(error);
      }
    },
  };
}
