/** The stub through which a client calls the fake. It responds as a transport does: later, and with trailers. */
import { status } from "../codes.js";
import { Status } from "../generated/google/rpc/status.js";
import type { WatchPaymentsRequest, WatchPaymentsResponse } from "../generated/payments/v1/payments.js";
import type { ResponseStream, Rpc, RpcError, Transport } from "../stub.js";
import { CallError, canceled } from "./call_errors.js";
import type { FakeService } from "./service.js";

/** Returns a stub that calls `service`. */
export function fakeStub(service: FakeService): Transport {
  let calls = 0;
  const newCallId = () => `fake-call-${++calls}`;
  return {
    charge: unary(newCallId, (request) => service.charge(request)),
    batchCharge: unary(newCallId, (request, callId) => service.batchCharge(request, callId)),
    refund: unary(newCallId, (request) => service.refund(request)),
    getPayment: unary(newCallId, (request) => service.getPayment(request)),
    listRefunds: unary(newCallId, (request) => service.listRefunds(request)),
    listPayments: unary(newCallId, (request) => service.listPayments(request)),
    listPaymentEvents: unary(newCallId, (request) => service.listPaymentEvents(request)),
    watchPayments: (request) => watch(newCallId(), service, request),
    close: () => undefined,
  };
}

function unary<Request, Response>(
  newCallId: () => string,
  respond: (request: Request, callId: string) => Response,
): Rpc<Request, Response, unknown> {
  return (request, _metadata, _options, callback) => {
    const callId = newCallId();
    let isCanceled = false;
    queueMicrotask(() => {
      let response: Response;
      try {
        if (isCanceled) {
          throw canceled();
        }
        response = respond(request, callId);
      } catch (error) {
        // The client ignores the response of a call that failed.
        callback(new FakeRpcError(error, callId), undefined as Response);
        return;
      }
      callback(null, response);
    });
    return {
      cancel: () => {
        isCanceled = true;
      },
    };
  };
}

function watch(
  callId: string,
  service: FakeService,
  request: WatchPaymentsRequest,
): ResponseStream<WatchPaymentsResponse> {
  const stop = new AbortController();
  return {
    cancel: () => {
      stop.abort();
    },
    destroy: () => undefined,
    // Errors reach only the iterator.
    on: () => undefined,
    async *[Symbol.asyncIterator]() {
      try {
        yield* service.watchPayments(request, stop.signal);
      } catch (error) {
        throw new FakeRpcError(error, callId);
      }
    },
  };
}

/** An error as a transport reports it. Any error but a CallError is a defect, for example in the clock of a test. */
class FakeRpcError extends Error implements RpcError {
  override readonly name = "FakeRpcError";
  readonly code: status;
  readonly details: string;
  readonly metadata: RpcError["metadata"];

  constructor(cause: unknown, callId: string) {
    const error = cause instanceof CallError ? cause : new CallError(status.INTERNAL, "INTERNAL", String(cause));
    super(error.message, { cause });
    this.code = error.code;
    this.details = error.message;
    const trailers = new Map<string, string | Uint8Array>([
      ["x-request-id", callId],
      ["grpc-status-details-bin", Status.encode(error.status(callId)).finish()],
    ]);
    this.metadata = { get: (name) => [trailers.get(name)].filter((value) => value !== undefined) };
  }
}
