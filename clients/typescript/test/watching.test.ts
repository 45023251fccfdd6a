import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import {
  DeadlineExceeded,
  Decimal,
  grpc,
  InternalError,
  InvalidRequest,
  OutcomeUnknown,
  PaymentsClient,
  PaymentsError,
  type PaymentUpdate,
  PermissionDenied,
  ResumeTokenExpired,
  Unauthenticated,
  Unavailable,
} from "@payments/client";
import {
  PaymentEventType,
  PaymentMethod,
  PaymentServiceClient,
  PaymentStatus,
  RefundState,
  RefundStatus,
  WatchPaymentsRequest,
  WatchPaymentsResponse,
} from "@payments/client/v1";

import { Resumptions } from "#dist/retries.js";
import { resumingResponses } from "#dist/streams.js";

import { badRequest, errorInfo, faultWith, retryInfo } from "./details.js";
import { type Call, clientOf, Fault, hang, type Service, startService } from "./service.js";

const { status } = grpc;
type WatchCall = Call<WatchPaymentsRequest>;

/** Returns an event of a payment. Its token is the payment's id. */
function eventOf(paymentId: number, reason = ""): WatchPaymentsResponse {
  return WatchPaymentsResponse.fromPartial({
    event: { type: PaymentEventType.CHARGED, payment: { paymentId: BigInt(paymentId) }, refund: { reason } },
    resumeToken: String(paymentId),
  });
}

/** Returns a handler that sends the `count` events after the token, calls `last`, and ends the stream. */
function eventsThen(count: number, last: (call: WatchCall) => unknown) {
  return async function* (call: WatchCall): AsyncGenerator<WatchPaymentsResponse> {
    const after = Number(call.request.resumeToken);
    for (let paymentId = after + 1; paymentId <= after + count; paymentId += 1) {
      yield eventOf(paymentId);
    }
    await last(call);
  };
}

function failWith(fault: Fault) {
  return () => {
    throw fault;
  };
}

async function next(updates: AsyncIterator<PaymentUpdate, void, undefined>): Promise<PaymentUpdate> {
  const { value } = await updates.next();
  return value ?? assert.fail("the iteration is over");
}

/** Returns the payment ids of the next `count` updates. */
async function paymentIds(updates: AsyncIterator<PaymentUpdate, void, undefined>, count: number): Promise<number[]> {
  const ids = [];
  while (ids.length < count) {
    const { event } = await next(updates);
    ids.push(Number(event?.payment.paymentId));
  }
  return ids;
}

function tokens(service: Service): string[] {
  return service.calls.map((call) => (call.request as WatchPaymentsRequest).resumeToken);
}

/** Waits until the condition is true. The test's own timeout ends the wait. */
async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await sleep(5);
  }
}

async function waitUntilCanceled(service: Service, stream = 0): Promise<void> {
  await waitUntil(() => service.calls[stream]?.cancelled === true);
}

async function assertOver(updates: AsyncIterator<PaymentUpdate, void, undefined>): Promise<void> {
  assert.deepEqual(await updates.next(), { done: true, value: undefined });
}

test("an event has its payment, refund, caller, request_id and token", async (t) => {
  const money = { currencyCode: "INR", units: 4n, nanos: 0 };
  const responses = [
    WatchPaymentsResponse.fromPartial({ resumeToken: "a" }),
    WatchPaymentsResponse.fromPartial({
      event: {
        type: PaymentEventType.REFUNDED,
        eventTime: { seconds: 1n, nanos: 2_000 },
        payment: {
          paymentId: 403n,
          orderId: 342n,
          amount: { currencyCode: "INR", units: 10n },
          method: PaymentMethod.UPI,
          status: PaymentStatus.SUCCEEDED,
          reference: "ECI-1",
          createTime: { seconds: 1n },
          refundedAmount: money,
          refundState: RefundState.PARTIAL,
        },
        refund: {
          refundId: 19n,
          paymentId: 403n,
          amount: money,
          status: RefundStatus.SUCCEEDED,
          reason: "damaged",
          createTime: { seconds: 1n, nanos: 2_000 },
        },
        caller: "shop",
        requestId: "refund-1",
      },
      resumeToken: "b",
    }),
    WatchPaymentsResponse.fromPartial({ event: { type: PaymentEventType.IMPORTED }, resumeToken: "c" }),
    WatchPaymentsResponse.fromPartial({ event: { type: 99 as never }, resumeToken: "d" }),
  ];
  const service = await startService(t, {
    watchPayments: async function* (call) {
      yield* responses;
      await hang(call);
    },
  });
  const updates = clientOf(t, { target: service.target }).watchPayments();
  assert.deepEqual(await next(updates), { event: undefined, resumeToken: "a" });
  const { event, resumeToken } = await next(updates);
  assert.equal(resumeToken, "b");
  assert.deepEqual([event?.type, event?.caller, event?.requestId], ["REFUNDED", "shop", "refund-1"]);
  assert.equal(event?.eventTime?.toISOString(), "1970-01-01T00:00:01.000002000Z");
  const { payment, refund } = event;
  assert.deepEqual(
    [payment.paymentId, payment.orderId, payment.amount?.toFixed(2), payment.currency, payment.method, payment.status],
    ["403", "342", "10.00", "INR", "UPI", "SUCCEEDED"],
  );
  assert.deepEqual(
    [payment.reference, payment.refundedAmount?.toFixed(2), payment.refundState],
    ["ECI-1", "4.00", "PARTIAL"],
  );
  assert.deepEqual(
    [refund?.refundId, refund?.amount.toFixed(2), refund?.status, refund?.reason],
    ["19", "4.00", "SUCCEEDED", "damaged"],
  );
  const imported = (await next(updates)).event;
  assert.deepEqual(
    [imported?.type, imported?.eventTime, imported?.refund, imported?.caller, imported?.requestId],
    ["IMPORTED", undefined, undefined, "", ""],
  );
  assert.equal((await next(updates)).event?.type, "UNKNOWN");
});

for (const type of [
  "PENDING",
  "CHARGED",
  "FAILED",
  "REFUND_PENDING",
  "REFUNDED",
  "REFUND_FAILED",
  "IMPORTED",
  "FORGOTTEN",
  "ACTION_REQUIRED",
  "DISPUTE_OPENED",
  "DISPUTE_WON",
  "DISPUTE_LOST",
] as const) {
  test(`an event of type ${type} is received by that name`, async (t) => {
    const response = WatchPaymentsResponse.fromPartial({ event: { type: PaymentEventType[type] } });
    const service = await startService(t, {
      watchPayments: async function* (call) {
        yield response;
        await hang(call);
      },
    });
    const { event } = await next(clientOf(t, { target: service.target }).watchPayments());
    assert.equal(event?.type, type);
  });
}

test("a watch starts now or from the given token, and has no deadline", async (t) => {
  const service = await startService(t);
  const client = clientOf(t, { target: service.target, timeoutSeconds: 10 });
  await next(client.watchPayments());
  await next(client.watchPayments({ resumeToken: "7" }, { timeoutSeconds: 5 }));
  assert.deepEqual(tokens(service), ["", "7"]);
  assert.deepEqual(
    service.calls.map((call) => call.getDeadline()),
    [Infinity, Infinity],
  );
});

test("nothing is sent before the iteration starts", async (t) => {
  const service = await startService(t);
  const client = clientOf(t, { target: service.target });
  const updates = client.watchPayments();
  await client.charge({ orderId: 1, amount: new Decimal(1) });
  assert.equal(service.calls.length, 1);
  await updates.return();
  await assertOver(updates);
});

for (const [ending, last] of [
  ["a restart", failWith(faultWith(status.UNAVAILABLE, [errorInfo("SHUTTING_DOWN")]))],
  ["too many watches", failWith(faultWith(status.RESOURCE_EXHAUSTED, [errorInfo("TOO_MANY_WATCHES")]))],
  ["an overload", failWith(faultWith(status.RESOURCE_EXHAUSTED, [errorInfo("OVERLOADED")]))],
  ["too many calls", failWith(faultWith(status.RESOURCE_EXHAUSTED, [errorInfo("RATE_LIMITED")]))],
  ["CANCELLED", failWith(new Fault(status.CANCELLED))],
  ["INTERNAL from a library", failWith(new Fault(status.INTERNAL))],
  ["UNKNOWN from a proxy", failWith(new Fault(status.UNKNOWN))],
  ["DEADLINE_EXCEEDED from a proxy", failWith(new Fault(status.DEADLINE_EXCEEDED))],
  ["an end without an error", () => undefined],
] as const) {
  test(`a watch resumes from its last token after ${ending}`, async (t) => {
    const received: number[] = [];
    const service = await startService(t, {
      watchPayments: eventsThen(2, async () => {
        // Wait, because an error overtakes events that are in flight, and those would be sent again.
        await waitUntil(() => received.length === 2 * service.calls.length);
        last();
      }),
    });
    const updates = clientOf(t, { target: service.target }).watchPayments({ resumeToken: "7" });
    while (received.length < 6) {
      received.push(...(await paymentIds(updates, 1)));
    }
    assert.deepEqual(received, [8, 9, 10, 11, 12, 13]);
    assert.deepEqual(tokens(service), ["7", "9", "11"]);
  });
}

for (const [kind, fault] of [
  [InvalidRequest, faultWith(status.INVALID_ARGUMENT, [errorInfo("INVALID_REQUEST")])],
  [ResumeTokenExpired, faultWith(status.FAILED_PRECONDITION, [errorInfo("RESUME_TOKEN_EXPIRED")])],
  [Unauthenticated, faultWith(status.UNAUTHENTICATED, [errorInfo("API_KEY_INVALID")])],
  [PermissionDenied, faultWith(status.PERMISSION_DENIED, [errorInfo("ROLE_MISSING")])],
  [InternalError, faultWith(status.INTERNAL, [errorInfo("INTERNAL")], { trailers: { "x-request-id": "call-7" } })],
  [PaymentsError, new Fault(status.RESOURCE_EXHAUSTED, "the message is too large")],
] as const) {
  test(`a ${kind.name} that is not resumable ends the watch`, async (t) => {
    const service = await startService(t, { watchPayments: eventsThen(0, failWith(fault)) });
    const updates = clientOf(t, { target: service.target }).watchPayments({ resumeToken: "7" });
    await assert.rejects(updates.next(), (error) => {
      assert.ok(error instanceof PaymentsError);
      assert.deepEqual([error.constructor, error.code, error.requestId], [kind, fault.code, undefined]);
      return true;
    });
    await assertOver(updates);
    assert.equal(service.calls.length, 1);
  });
}

test("the error of an invalid token names its field", async (t) => {
  const violation = { field: "resume_token", description: "must be a resume_token" };
  const details = [errorInfo("INVALID_REQUEST"), badRequest(violation)];
  const fault = faultWith(status.INVALID_ARGUMENT, details);
  const service = await startService(t, { watchPayments: eventsThen(0, failWith(fault)) });
  const updates = clientOf(t, { target: service.target }).watchPayments({ resumeToken: "invalid" });
  await assert.rejects(updates.next(), { name: "InvalidRequest", violations: [violation] });
});

test("a watch resumes from its last token after the service restarts", async (t) => {
  const old = await startService(t, { watchPayments: eventsThen(2, hang) });
  const updates = clientOf(t, { target: old.target }).watchPayments({ resumeToken: "7" });
  assert.deepEqual(await paymentIds(updates, 2), [8, 9]);
  const ids = paymentIds(updates, 2);
  old.stop();
  await sleep(1_500);
  const service = await startService(t, { watchPayments: eventsThen(2, hang) }, { port: old.port });
  assert.deepEqual(await ids, [10, 11]);
  assert.deepEqual(tokens(service), ["9"]);
});

/** Starts a proxy that breaks each connection after the given number of bytes from the service. Returns its address. */
async function breakingProxy(t: TestContext, port: number, bytes: number[]): Promise<string> {
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    let left = bytes.shift() ?? Infinity;
    near.on("error", () => far.destroy()).on("close", () => far.destroy());
    far.on("error", () => near.destroy()).on("close", () => near.destroy());
    near.pipe(far);
    far.on("data", (chunk: Buffer) => {
      near.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) {
        near.end();
        far.destroy();
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a watch resumes from its last token after the connection breaks in the middle of a message", async (t) => {
  const service = await startService(t, {
    watchPayments: async function* (call) {
      const after = Number(call.request.resumeToken);
      yield eventOf(after + 1);
      yield eventOf(after + 2, "x".repeat(50_000));
      await hang(call);
    },
  });
  const target = await breakingProxy(t, service.port, [10_000, 10_000]);
  const updates = clientOf(t, { target }).watchPayments({ resumeToken: "7" });
  assert.deepEqual(await paymentIds(updates, 4), [8, 9, 10, 11]);
  assert.deepEqual(tokens(service), ["7", "8", "9"]);
});

test("a watch gives up when the service stays unavailable for its timeout", async (t) => {
  const fault = faultWith(status.UNAVAILABLE, [errorInfo("STORE_UNAVAILABLE")]);
  const service = await startService(t, { watchPayments: eventsThen(0, failWith(fault)) });
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { timeoutSeconds: 1 });
  await assert.rejects(updates.next(), { name: "Unavailable", reason: "STORE_UNAVAILABLE" });
  assert.ok(service.calls.length > 1);
});

test("a watch gives up when nothing listens at the address for its timeout", async (t) => {
  const stopped = await startService(t);
  stopped.stop();
  const updates = clientOf(t, { target: stopped.target }).watchPayments({}, { timeoutSeconds: 1 });
  await assert.rejects(updates.next(), Unavailable);
});

test("a watch that keeps receiving responses never gives up", async (t) => {
  const fault = faultWith(status.UNAVAILABLE, [retryInfo(0.5)]);
  const received: number[] = [];
  const service = await startService(t, {
    watchPayments: eventsThen(1, async () => {
      await waitUntil(() => received.length === service.calls.length);
      throw fault;
    }),
  });
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { timeoutSeconds: 3 });
  while (received.length < 8) {
    received.push(...(await paymentIds(updates, 1)));
  }
  assert.deepEqual(received, [1, 2, 3, 4, 5, 6, 7, 8]);
});

test("a watch without a first response gives up after its timeout and ends the stream", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(0, hang) });
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { timeoutSeconds: 0.5 });
  await assert.rejects(updates.next(), DeadlineExceeded);
  await waitUntilCanceled(service);
});

test("a stream that has started may be silent for longer than the watch's timeout", async (t) => {
  const service = await startService(t, {
    watchPayments: async function* (call) {
      yield eventOf(1);
      await sleep(3_500);
      yield eventOf(2);
      await hang(call);
    },
  });
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { timeoutSeconds: 3 });
  assert.deepEqual(await paymentIds(updates, 2), [1, 2]);
  assert.equal(service.calls.length, 1);
});

test("a watch with a timeout of zero gives up immediately", async (t) => {
  const service = await startService(t);
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { timeoutSeconds: 0 });
  await assert.rejects(updates.next(), DeadlineExceeded);
});

test("leaving the loop ends the stream on the server", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(3, hang) });
  const updates = clientOf(t, { target: service.target }).watchPayments();
  for await (const { event } of updates) {
    assert.equal(event?.payment.paymentId, "1");
    break;
  }
  await waitUntilCanceled(service);
  await assertOver(updates);
});

test("an error in the loop ends the stream on the server and propagates", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(3, hang) });
  const client = clientOf(t, { target: service.target });
  const failingLoop = async () => {
    for await (const { resumeToken } of client.watchPayments()) {
      throw new SyntaxError(resumeToken);
    }
  };
  await assert.rejects(failingLoop(), SyntaxError);
  await waitUntilCanceled(service);
});

test("return() ends a watch that waits for an event", async (t) => {
  const service = await startService(t);
  const updates = clientOf(t, { target: service.target }).watchPayments();
  await next(updates);
  const waiting = updates.next();
  assert.deepEqual(await updates.return(), { done: true, value: undefined });
  assert.deepEqual(await waiting, { done: true, value: undefined });
  await waitUntilCanceled(service);
  assert.equal(service.calls.length, 1);
});

test("return() ends a watch that waits to reconnect", async (t) => {
  const fault = faultWith(status.UNAVAILABLE, [retryInfo(30)]);
  const service = await startService(t, { watchPayments: eventsThen(0, failWith(fault)) });
  const updates = clientOf(t, { target: service.target }).watchPayments();
  const waiting = updates.next();
  await waitUntil(() => service.calls.length > 0);
  await sleep(50);
  await updates.return();
  assert.deepEqual(await waiting, { done: true, value: undefined });
  assert.equal(service.calls.length, 1);
});

test("aborting the signal ends a waiting watch with its reason, and the stream on the server", async (t) => {
  const service = await startService(t);
  const controller = new AbortController();
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { signal: controller.signal });
  await next(updates);
  const waiting = updates.next();
  const reason = new Error("the program is shutting down");
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  await waitUntilCanceled(service);
  await assertOver(updates);
});

test("aborting the signal ends a watch between two events, even if the next one has already arrived", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(5, hang) });
  const controller = new AbortController();
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { signal: controller.signal });
  await next(updates);
  await sleep(100);
  controller.abort();
  await waitUntilCanceled(service);
  await assert.rejects(updates.next(), { name: "AbortError" });
});

test("aborting the signal ends the backoff between two streams", async (t) => {
  const fault = faultWith(status.UNAVAILABLE, [retryInfo(30)]);
  const service = await startService(t, { watchPayments: eventsThen(0, failWith(fault)) });
  const controller = new AbortController();
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { signal: controller.signal });
  const waiting = updates.next();
  await waitUntil(() => service.calls.length > 0);
  await sleep(50);
  controller.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  assert.equal(service.calls.length, 1);
});

test("no stream is opened if the signal is already aborted", async (t) => {
  const service = await startService(t);
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { signal: AbortSignal.abort() });
  await assert.rejects(updates.next(), { name: "AbortError" });
  assert.equal(service.calls.length, 0);
});

test("a watch with many streams leaves no listener on its signal", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(1, () => undefined) });
  const { signal } = new AbortController();
  for await (const { resumeToken } of clientOf(t, { target: service.target }).watchPayments({}, { signal })) {
    assert.ok(getEventListeners(signal, "abort").length <= 1);
    if (resumeToken === "4") {
      break;
    }
  }
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("a failed watch leaves no listener on its signal", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(0, failWith(new Fault(status.NOT_FOUND))) });
  const { signal } = new AbortController();
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { signal });
  await assert.rejects(updates.next(), PaymentsError);
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("a stream that has ended leaves no listener on the watch's signal", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(1, () => undefined) });
  const stub = new PaymentServiceClient(service.target, grpc.credentials.createInsecure());
  t.after(() => {
    stub.close();
  });
  const { signal } = new AbortController();
  const open = () => stub.watchPayments(WatchPaymentsRequest.create({ resumeToken: "7" }));
  for await (const { resumeToken } of resumingResponses(open, new Resumptions(Infinity), signal)) {
    assert.equal(resumeToken, "8");
    assert.equal(getEventListeners(signal, "abort").length, 1);
    if (service.calls.length === 4) {
      break;
    }
  }
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("closing the client ends a waiting watch with OutcomeUnknown, and the stream on the server", async (t) => {
  const service = await startService(t);
  const client = new PaymentsClient({ target: service.target });
  const updates = client.watchPayments();
  await next(updates);
  const waiting = updates.next();
  client.close();
  await assert.rejects(waiting, (error) => {
    assert.ok(error instanceof OutcomeUnknown);
    assert.equal(error.code, status.CANCELLED);
    return true;
  });
  await waitUntilCanceled(service);
  assert.equal(service.calls.length, 1);
});

test("closing the client during a backoff ends the watch with the error of the last stream", async (t) => {
  const fault = faultWith(status.UNAVAILABLE, [retryInfo(30)]);
  const service = await startService(t, { watchPayments: eventsThen(0, failWith(fault)) });
  const client = new PaymentsClient({ target: service.target });
  const waiting = client.watchPayments().next();
  await waitUntil(() => service.calls.length > 0);
  await sleep(50);
  client.close();
  await assert.rejects(waiting, Unavailable);
});

test("a closed client cannot watch", async (t) => {
  const client = clientOf(t, {});
  client.close();
  await assert.rejects(client.watchPayments().next(), /closed/);
});

test("many watches can run one after another and concurrently", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(20, hang) });
  const client = clientOf(t, { target: service.target });
  for (let watch = 0; watch < 50; watch += 1) {
    const updates = client.watchPayments();
    assert.deepEqual(await paymentIds(updates, 1), [1]);
    await updates.return();
    await waitUntilCanceled(service, watch);
  }
  const all = Array.from({ length: 20 }, () => client.watchPayments({ resumeToken: "100" }));
  const firsts = await Promise.all(all.map((updates) => paymentIds(updates, 2)));
  assert.deepEqual(new Set(firsts.flat()), new Set([101, 102]));
});

test("a watch that is not read applies backpressure and loses no events", async (t) => {
  const COUNT = 4_000;
  const EVENT = "x".repeat(20_000);
  let sent = 0;
  const service = await startService(t, {
    watchPayments: async function* (call) {
      while (sent < COUNT) {
        sent += 1;
        yield eventOf(sent, EVENT);
      }
      await hang(call);
    },
  });
  const updates = clientOf(t, { target: service.target }).watchPayments();
  assert.deepEqual(await paymentIds(updates, 1), [1]);
  let before = 0;
  while (sent > before) {
    before = sent;
    await sleep(500);
  }
  assert.ok(sent < COUNT / 4, `the server sent ${sent} events of ${EVENT.length} bytes to a client that has read 1`);
  const ids = await paymentIds(updates, COUNT - 1);
  assert.deepEqual([ids[0], ids.at(-1), new Set(ids).size], [2, COUNT, COUNT - 1]);
});

test("each stream of a watch sends the API key, and runs the interceptors once", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(1, () => undefined) });
  const tracer: grpc.Interceptor = (options, nextCall) =>
    new grpc.InterceptingCall(nextCall(options), {
      start(metadata, listener, start) {
        metadata.add("seen-by", "tracer");
        start(metadata, listener);
      },
    });
  const client = clientOf(t, { target: service.target, interceptors: [tracer], apiKey: "secret" });
  assert.deepEqual(await paymentIds(client.watchPayments(), 3), [1, 2, 3]);
  assert.equal(service.calls.length, 3);
  for (const call of service.calls) {
    assert.deepEqual(call.metadata.get("authorization"), ["Bearer secret"]);
    assert.deepEqual(call.metadata.get("seen-by"), ["tracer"]);
  }
});

test("a watch rejects with the error that an interceptor throws", async (t) => {
  const service = await startService(t);
  const throwing: grpc.Interceptor = () => {
    throw new SyntaxError("a bug in the tracer");
  };
  const client = clientOf(t, { target: service.target, interceptors: [throwing] });
  await assert.rejects(client.watchPayments().next(), SyntaxError);
});
