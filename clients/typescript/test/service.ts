/** A fake payment service in this process, whose responses the test defines. */
import { once } from "node:events";
import type { TestContext } from "node:test";

import { grpc, PaymentsClient, type PaymentsClientOptions } from "@payments/client";
import {
  type BatchChargeRequest,
  BatchChargeResponse,
  type ChargeRequest,
  ChargeResponse,
  type GetPaymentRequest,
  GetPaymentResponse,
  type ListPaymentEventsRequest,
  ListPaymentEventsResponse,
  type ListPaymentsRequest,
  ListPaymentsResponse,
  type ListRefundsRequest,
  ListRefundsResponse,
  Payment,
  PaymentServiceService,
  type RefundRequest,
  RefundResponse,
  type WatchPaymentsRequest,
  WatchPaymentsResponse,
} from "@payments/client/v1";

export type Call<Request> = grpc.ServerUnaryCall<Request, unknown> | grpc.ServerWritableStream<Request, unknown>;
type Handler<Request, Response> = (call: Call<Request>) => Response | Promise<Response>;

/** The service's handlers. If a handler throws a Fault, the call fails with it. */
export interface Handlers {
  charge?: Handler<ChargeRequest, ChargeResponse>;
  batchCharge?: Handler<BatchChargeRequest, BatchChargeResponse>;
  refund?: Handler<RefundRequest, RefundResponse>;
  getPayment?: Handler<GetPaymentRequest, GetPaymentResponse>;
  listRefunds?: Handler<ListRefundsRequest, ListRefundsResponse>;
  listPayments?: Handler<ListPaymentsRequest, ListPaymentsResponse>;
  listPaymentEvents?: Handler<ListPaymentEventsRequest, ListPaymentEventsResponse>;
  watchPayments?: (call: Call<WatchPaymentsRequest>) => AsyncIterable<WatchPaymentsResponse>;
}

/** An error that the service returns. */
export class Fault extends Error {
  constructor(
    readonly code: grpc.status,
    readonly details = "",
    readonly metadata = new grpc.Metadata(),
  ) {
    super(details);
  }
}

export interface Service {
  readonly port: number;
  readonly target: string;
  /** All received calls, in order. */
  readonly calls: readonly Call<unknown>[];
  stop(): void;
}

/** Starts a service on `port`, or on any free port. It stops after the test. */
export async function startService(
  t: TestContext,
  handlers: Handlers = {},
  { port = 0, credentials = grpc.ServerCredentials.createInsecure() } = {},
): Promise<Service> {
  const calls: Call<unknown>[] = [];
  const unaryHandler =
    <Request, Response>(respond: Handler<Request, Response>): grpc.handleUnaryCall<Request, Response> =>
    (call, callback) => {
      calls.push(call);
      new Promise<Response>((resolve) => {
        resolve(respond(call));
      }).then(
        (response) => {
          callback(null, response);
        },
        (error: unknown) => {
          callback(error as Fault);
        },
      );
    };
  const streamHandler =
    <Request, Response>(
      respond: (call: Call<Request>) => AsyncIterable<Response>,
    ): grpc.handleServerStreamingCall<Request, Response> =>
    (call) => {
      calls.push(call);
      const sendResponses = async () => {
        for await (const response of respond(call)) {
          // Respects the connection's flow control.
          await new Promise((resolve) => call.write(response, resolve));
        }
        call.end();
      };
      sendResponses().catch((error: unknown) => {
        call.emit("error", error);
      });
    };
  const server = new grpc.Server();
  server.addService(PaymentServiceService, {
    charge: unaryHandler(handlers.charge ?? ((call) => chargeResponse(call.request))),
    batchCharge: unaryHandler(
      handlers.batchCharge ??
        (({ request: { charges } }) =>
          BatchChargeResponse.fromPartial({ results: charges.map(() => ({ payment: {} })) })),
    ),
    refund: unaryHandler(handlers.refund ?? (() => RefundResponse.create({ payment: {} }))),
    getPayment: unaryHandler(handlers.getPayment ?? (() => GetPaymentResponse.create({ payment: {} }))),
    listRefunds: unaryHandler(handlers.listRefunds ?? (() => ListRefundsResponse.create())),
    listPayments: unaryHandler(handlers.listPayments ?? (() => ListPaymentsResponse.create())),
    listPaymentEvents: unaryHandler(handlers.listPaymentEvents ?? (() => ListPaymentEventsResponse.create())),
    watchPayments: streamHandler(handlers.watchPayments ?? streamWithoutEvents),
  });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, boundPort) => {
      if (error === null) {
        resolve(boundPort);
      } else {
        reject(error);
      }
    });
  });
  const stop = () => {
    server.forceShutdown();
  };
  t.after(stop);
  return { port: bound, target: `127.0.0.1:${bound}`, calls, stop };
}

/** Returns a client that is closed after the test. */
export function clientOf(t: TestContext, options: PaymentsClientOptions): PaymentsClient {
  const client = new PaymentsClient(options);
  t.after(() => {
    client.close();
  });
  return client;
}

/** Returns the response to a charge: a payment with the order and the amount of the request. */
export function chargeResponse(request: ChargeRequest): ChargeResponse {
  return ChargeResponse.create({ payment: Payment.create({ orderId: request.orderId, amount: request.amount }) });
}

/** A handler that waits until the client ends the call. */
export async function hang(call: Call<unknown>): Promise<never> {
  await once(call, "cancelled");
  throw new Fault(grpc.status.CANCELLED);
}

/** A stream without events, until the client ends it. */
async function* streamWithoutEvents(call: Call<WatchPaymentsRequest>): AsyncGenerator<WatchPaymentsResponse> {
  yield WatchPaymentsResponse.create({ resumeToken: "0" });
  await hang(call);
}

/** Wraps a handler to record the time of each call, in milliseconds. */
export function recordTimes<Request, Response>(
  times: number[],
  respond: Handler<Request, Response>,
): Handler<Request, Response> {
  return (call) => {
    times.push(performance.now());
    return respond(call);
  };
}
