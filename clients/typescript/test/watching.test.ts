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
  type WatchPaymentsRequest,
  WatchPaymentsResponse,
} from "@payments/client/v1";

import { Resumptions } from "#dist/retries.js";
import { resumed } from "#dist/streams.js";

import { badRequest, errorInfo, faultWith, retryInfo } from "./details.js";
import { type Call, clientOf, Fault, never, type Service, startService } from "./service.js";

const { status } = grpc;
type Watched = Call<WatchPaymentsRequest>;

/** The event of a payment, whose token is the payment's id. */
function eventOf(paymentId: number, reason = ""): WatchPaymentsResponse {
  return WatchPaymentsResponse.fromPartial({
    event: { type: PaymentEventType.CHARGED, payment: { paymentId: BigInt(paymentId) }, refund: { reason } },
    resumeToken: String(paymentId),
  });
}

/** Tells of `count` payments after the one that the token names, then does what `last` does, and ends. */
function eventsThen(count: number, last: (call: Watched) => unknown) {
  return async function* (call: Watched): AsyncGenerator<WatchPaymentsResponse> {
    const after = Number(call.request.resumeToken);
    for (let paymentId = after + 1; paymentId <= after + count; paymentId += 1) {
      yield eventOf(paymentId);
    }
    await last(call);
  };
}

function failing(fault: Fault) {
  return () => {
    throw fault;
  };
}

async function next(updates: AsyncIterator<PaymentUpdate, void, undefined>): Promise<PaymentUpdate> {
  const { value } = await updates.next();
  return value ?? assert.fail("the iteration is over");
}

/** The payments of the next `count` updates. */
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

/** Waits until something is so; the test's own time limit ends it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await sleep(5);
  }
}

async function cancelled(service: Service, stream = 0): Promise<void> {
  await until(() => service.calls[stream]?.cancelled === true);
}

async function over(updates: AsyncIterator<PaymentUpdate, void, undefined>): Promise<void> {
  assert.deepEqual(await updates.next(), { done: true, value: undefined });
}

test("an event has the payment and the refund as it left them, who asked for it, and its token", async (t) => {
  const money = { currencyCode: "INR", units: 4n, nanos: 0 };
  const answers = [
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
      yield* answers;
      await never(call);
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
    [403n, 342n, "10.00", "INR", "UPI", "SUCCEEDED"],
  );
  assert.deepEqual(
    [payment.reference, payment.refundedAmount?.toFixed(2), payment.refundState],
    ["ECI-1", "4.00", "PARTIAL"],
  );
  assert.deepEqual(
    [refund?.refundId, refund?.amount.toFixed(2), refund?.status, refund?.reason],
    [19n, "4.00", "SUCCEEDED", "damaged"],
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
] as const) {
  test(`an event that is ${type} is called so`, async (t) => {
    const answer = WatchPaymentsResponse.fromPartial({ event: { type: PaymentEventType[type] } });
    const service = await startService(t, {
      watchPayments: async function* (call) {
        yield answer;
        await never(call);
      },
    });
    const { event } = await next(clientOf(t, { target: service.target }).watchPayments());
    assert.equal(event?.type, type);
  });
}

test("a watch is from now on, or from the token that it is given, and has no deadline", async (t) => {
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

test("nothing is sent before the iteration begins", async (t) => {
  const service = await startService(t);
  const client = clientOf(t, { target: service.target });
  const updates = client.watchPayments();
  await client.charge({ orderId: 1, amount: new Decimal(1) });
  assert.equal(service.calls.length, 1);
  await updates.return();
  await over(updates);
});

for (const [what, last] of [
  ["a restart", failing(faultWith(status.UNAVAILABLE, [errorInfo("SHUTTING_DOWN")]))],
  ["too many watches", failing(faultWith(status.RESOURCE_EXHAUSTED, [errorInfo("TOO_MANY_WATCHES")]))],
  ["an overload", failing(faultWith(status.RESOURCE_EXHAUSTED, [errorInfo("OVERLOADED")]))],
  ["too many calls", failing(faultWith(status.RESOURCE_EXHAUSTED, [errorInfo("RATE_LIMITED")]))],
  ["CANCELLED", failing(new Fault(status.CANCELLED))],
  ["INTERNAL of a library's", failing(new Fault(status.INTERNAL))],
  ["UNKNOWN of a proxy's", failing(new Fault(status.UNKNOWN))],
  ["DEADLINE_EXCEEDED of a proxy's", failing(new Fault(status.DEADLINE_EXCEEDED))],
  ["its plain end", () => undefined],
] as const) {
  test(`a watch goes on from its last token after ${what}`, async (t) => {
    const told: number[] = [];
    const service = await startService(t, {
      watchPayments: eventsThen(2, async () => {
        // An error overtakes events that are on their way, which would come again.
        await until(() => told.length === 2 * service.calls.length);
        last();
      }),
    });
    const updates = clientOf(t, { target: service.target }).watchPayments({ resumeToken: "7" });
    while (told.length < 6) {
      told.push(...(await paymentIds(updates, 1)));
    }
    assert.deepEqual(told, [8, 9, 10, 11, 12, 13]);
    assert.deepEqual(tokens(service), ["7", "9", "11"]);
  });
}

for (const [kind, fault] of [
  [InvalidRequest, faultWith(status.INVALID_ARGUMENT, [errorInfo("INVALID_REQUEST")])],
  [ResumeTokenExpired, faultWith(status.FAILED_PRECONDITION, [errorInfo("RESUME_TOKEN_EXPIRED")])],
  [Unauthenticated, faultWith(status.UNAUTHENTICATED, [errorInfo("API_KEY_INVALID")])],
  [PermissionDenied, faultWith(status.PERMISSION_DENIED, [errorInfo("ROLE_MISSING")])],
  [InternalError, faultWith(status.INTERNAL, [errorInfo("INTERNAL")], { trailers: { "x-request-id": "ticket-7" } })],
  [PaymentsError, new Fault(status.RESOURCE_EXHAUSTED, "a message larger than may be")],
] as const) {
  test(`a watch ends with ${kind.name} that does not pass`, async (t) => {
    const service = await startService(t, { watchPayments: eventsThen(0, failing(fault)) });
    const updates = clientOf(t, { target: service.target }).watchPayments({ resumeToken: "7" });
    await assert.rejects(updates.next(), (error) => {
      assert.ok(error instanceof PaymentsError);
      assert.deepEqual([error.constructor, error.code, error.requestId], [kind, fault.code, undefined]);
      return true;
    });
    await over(updates);
    assert.equal(service.calls.length, 1);
  });
}

test("a wrong token is told by its field", async (t) => {
  const violation = { field: "resume_token", description: "must be a resume_token" };
  const details = [errorInfo("INVALID_REQUEST"), badRequest(violation)];
  const fault = faultWith(status.INVALID_ARGUMENT, details);
  const service = await startService(t, { watchPayments: eventsThen(0, failing(fault)) });
  const updates = clientOf(t, { target: service.target }).watchPayments({ resumeToken: "wrong" });
  await assert.rejects(updates.next(), { name: "InvalidRequest", violations: [violation] });
});

test("a watch goes on from its last token on a service that is started after the one before died", async (t) => {
  const old = await startService(t, { watchPayments: eventsThen(2, never) });
  const updates = clientOf(t, { target: old.target }).watchPayments({ resumeToken: "7" });
  assert.deepEqual(await paymentIds(updates, 2), [8, 9]);
  const ids = paymentIds(updates, 2);
  old.stop();
  await sleep(1_500);
  const service = await startService(t, { watchPayments: eventsThen(2, never) }, { port: old.port });
  assert.deepEqual(await ids, [10, 11]);
  assert.deepEqual(tokens(service), ["9"]);
});

/** A way to a service whose connections are cut after as many bytes of the service's each; returns its address. */
async function cutting(t: TestContext, port: number, bytes: number[]): Promise<string> {
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

test("a watch goes on from its last token after a connection that is cut in the middle of a message", async (t) => {
  const service = await startService(t, {
    watchPayments: async function* (call) {
      const after = Number(call.request.resumeToken);
      yield eventOf(after + 1);
      yield eventOf(after + 2, "x".repeat(50_000));
      await never(call);
    },
  });
  const target = await cutting(t, service.port, [10_000, 10_000]);
  const updates = clientOf(t, { target }).watchPayments({ resumeToken: "7" });
  assert.deepEqual(await paymentIds(updates, 4), [8, 9, 10, 11]);
  assert.deepEqual(tokens(service), ["7", "8", "9"]);
});

test("a watch gives up when the service was out of reach for its time at a stretch", async (t) => {
  const fault = faultWith(status.UNAVAILABLE, [errorInfo("STORE_UNAVAILABLE")]);
  const service = await startService(t, { watchPayments: eventsThen(0, failing(fault)) });
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { timeoutSeconds: 1 });
  await assert.rejects(updates.next(), { name: "Unavailable", reason: "STORE_UNAVAILABLE" });
  assert.ok(service.calls.length > 1);
});

test("a watch gives up when nobody listens at the address for its time", async (t) => {
  const gone = await startService(t);
  gone.stop();
  const updates = clientOf(t, { target: gone.target }).watchPayments({}, { timeoutSeconds: 1 });
  await assert.rejects(updates.next(), Unavailable);
});

test("a watch that receives something now and then never gives up", async (t) => {
  const fault = faultWith(status.UNAVAILABLE, [retryInfo(0.5)]);
  const told: number[] = [];
  const service = await startService(t, {
    watchPayments: eventsThen(1, async () => {
      await until(() => told.length === service.calls.length);
      throw fault;
    }),
  });
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { timeoutSeconds: 3 });
  while (told.length < 8) {
    told.push(...(await paymentIds(updates, 1)));
  }
  assert.deepEqual(told, [1, 2, 3, 4, 5, 6, 7, 8]);
});

test("a watch of a service that takes it and says nothing gives up after its time, and ends the stream", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(0, never) });
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { timeoutSeconds: 0.5 });
  await assert.rejects(updates.next(), DeadlineExceeded);
  await cancelled(service);
});

test("a stream that has begun may be quiet for longer than the watch's time", async (t) => {
  const service = await startService(t, {
    watchPayments: async function* (call) {
      yield eventOf(1);
      await sleep(3_500);
      yield eventOf(2);
      await never(call);
    },
  });
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { timeoutSeconds: 3 });
  assert.deepEqual(await paymentIds(updates, 2), [1, 2]);
  assert.equal(service.calls.length, 1);
});

test("a watch without any time sends nothing that lasts", async (t) => {
  const service = await startService(t);
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { timeoutSeconds: 0 });
  await assert.rejects(updates.next(), DeadlineExceeded);
});

test("leaving the loop ends the stream at the service", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(3, never) });
  const updates = clientOf(t, { target: service.target }).watchPayments();
  for await (const { event } of updates) {
    assert.equal(event?.payment.paymentId, 1n);
    break;
  }
  await cancelled(service);
  await over(updates);
});

test("an error in the loop ends the stream at the service, and is the loop's", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(3, never) });
  const client = clientOf(t, { target: service.target });
  const booking = async () => {
    for await (const { resumeToken } of client.watchPayments()) {
      throw new SyntaxError(resumeToken);
    }
  };
  await assert.rejects(booking(), SyntaxError);
  await cancelled(service);
});

test("return() ends a watch that waits for an event", async (t) => {
  const service = await startService(t);
  const updates = clientOf(t, { target: service.target }).watchPayments();
  await next(updates);
  const waiting = updates.next();
  assert.deepEqual(await updates.return(), { done: true, value: undefined });
  assert.deepEqual(await waiting, { done: true, value: undefined });
  await cancelled(service);
  assert.equal(service.calls.length, 1);
});

test("return() ends a watch that waits for the service to come back", async (t) => {
  const fault = faultWith(status.UNAVAILABLE, [retryInfo(30)]);
  const service = await startService(t, { watchPayments: eventsThen(0, failing(fault)) });
  const updates = clientOf(t, { target: service.target }).watchPayments();
  const waiting = updates.next();
  await until(() => service.calls.length > 0);
  await sleep(50);
  await updates.return();
  assert.deepEqual(await waiting, { done: true, value: undefined });
  assert.equal(service.calls.length, 1);
});

test("a signal ends a watch that waits for an event with its reason, and the stream at the service", async (t) => {
  const service = await startService(t);
  const controller = new AbortController();
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { signal: controller.signal });
  await next(updates);
  const waiting = updates.next();
  const reason = new Error("the program stops");
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  await cancelled(service);
  await over(updates);
});

test("a signal ends a watch between two events, also where the next has come already", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(5, never) });
  const controller = new AbortController();
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { signal: controller.signal });
  await next(updates);
  await sleep(100);
  controller.abort();
  await cancelled(service);
  await assert.rejects(updates.next(), { name: "AbortError" });
});

test("a signal ends the wait between two streams", async (t) => {
  const fault = faultWith(status.UNAVAILABLE, [retryInfo(30)]);
  const service = await startService(t, { watchPayments: eventsThen(0, failing(fault)) });
  const controller = new AbortController();
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { signal: controller.signal });
  const waiting = updates.next();
  await until(() => service.calls.length > 0);
  await sleep(50);
  controller.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  assert.equal(service.calls.length, 1);
});

test("a signal that has aborted already lets no stream be opened", async (t) => {
  const service = await startService(t);
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { signal: AbortSignal.abort() });
  await assert.rejects(updates.next(), { name: "AbortError" });
  assert.equal(service.calls.length, 0);
});

test("nothing is left on a signal after a watch, however many streams it had", async (t) => {
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

test("nothing is left on a signal after a watch that failed", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(0, failing(new Fault(status.NOT_FOUND))) });
  const { signal } = new AbortController();
  const updates = clientOf(t, { target: service.target }).watchPayments({}, { signal });
  await assert.rejects(updates.next(), PaymentsError);
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("a stream that is over leaves nothing behind for the watch to keep", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(1, () => undefined) });
  const stub = new PaymentServiceClient(service.target, grpc.credentials.createInsecure());
  t.after(() => {
    stub.close();
  });
  const { signal } = new AbortController();
  const open = () => stub.watchPayments({ resumeToken: "7" });
  for await (const { resumeToken } of resumed(open, new Resumptions(Infinity), signal)) {
    assert.equal(resumeToken, "8");
    assert.equal(getEventListeners(signal, "abort").length, 1);
    if (service.calls.length === 4) {
      break;
    }
  }
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("closing the client ends a watch that waits with OutcomeUnknown, and the stream at the service", async (t) => {
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
  await cancelled(service);
  assert.equal(service.calls.length, 1);
});

test("closing the client ends the wait between two streams with the error of the one before", async (t) => {
  const fault = faultWith(status.UNAVAILABLE, [retryInfo(30)]);
  const service = await startService(t, { watchPayments: eventsThen(0, failing(fault)) });
  const client = new PaymentsClient({ target: service.target });
  const waiting = client.watchPayments().next();
  await until(() => service.calls.length > 0);
  await sleep(50);
  client.close();
  await assert.rejects(waiting, Unavailable);
});

test("a closed client watches nothing", async (t) => {
  const client = clientOf(t, {});
  client.close();
  await assert.rejects(client.watchPayments().next(), /closed/);
});

test("many watches can be left one after another, and watch at the same time", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(20, never) });
  const client = clientOf(t, { target: service.target });
  for (let watch = 0; watch < 50; watch += 1) {
    const updates = client.watchPayments();
    assert.deepEqual(await paymentIds(updates, 1), [1]);
    await updates.return();
    await cancelled(service, watch);
  }
  const all = Array.from({ length: 20 }, () => client.watchPayments({ resumeToken: "100" }));
  const firsts = await Promise.all(all.map((updates) => paymentIds(updates, 2)));
  assert.deepEqual(new Set(firsts.flat()), new Set([101, 102]));
});

test("a watch that is not read from takes no more than its connection holds, and misses nothing", async (t) => {
  const COUNT = 4_000;
  const EVENT = "x".repeat(20_000);
  let sent = 0;
  const service = await startService(t, {
    watchPayments: async function* (call) {
      while (sent < COUNT) {
        sent += 1;
        yield eventOf(sent, EVENT);
      }
      await never(call);
    },
  });
  const updates = clientOf(t, { target: service.target }).watchPayments();
  assert.deepEqual(await paymentIds(updates, 1), [1]);
  let before = 0;
  while (sent > before) {
    before = sent;
    await sleep(500);
  }
  assert.ok(sent < COUNT / 4, `${sent} events of ${EVENT.length} bytes were taken, of which 1 was asked for`);
  const ids = await paymentIds(updates, COUNT - 1);
  assert.deepEqual([ids[0], ids.at(-1), new Set(ids).size], [2, COUNT, COUNT - 1]);
});

test("each stream of a watch says who calls, and passes the interceptors once", async (t) => {
  const service = await startService(t, { watchPayments: eventsThen(1, () => undefined) });
  const seen: grpc.Interceptor = (options, nextCall) =>
    new grpc.InterceptingCall(nextCall(options), {
      start(metadata, listener, start) {
        metadata.add("seen-by", "tracer");
        start(metadata, listener);
      },
    });
  const client = clientOf(t, { target: service.target, interceptors: [seen], apiKey: "secret" });
  assert.deepEqual(await paymentIds(client.watchPayments(), 3), [1, 2, 3]);
  assert.equal(service.calls.length, 3);
  for (const call of service.calls) {
    assert.deepEqual(call.metadata.get("authorization"), ["Bearer secret"]);
    assert.deepEqual(call.metadata.get("seen-by"), ["tracer"]);
  }
});

test("an error that an interceptor throws is the watch's", async (t) => {
  const service = await startService(t);
  const broken: grpc.Interceptor = () => {
    throw new SyntaxError("a mistake of the tracer");
  };
  const client = clientOf(t, { target: service.target, interceptors: [broken] });
  await assert.rejects(client.watchPayments().next(), SyntaxError);
});
