import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { grpc } from "@payments/client";
import {
  ChargeRequest,
  ChargeResponse,
  DisputeStatus,
  Failure,
  NextActionType,
  PaymentEventType,
  WatchPaymentsRequest,
  WatchPaymentsResponse,
} from "@payments/client/v1";
import {
  DeadlineExceeded,
  Decimal,
  InvalidRequest,
  OrderHasPendingPayment,
  OutcomeUnknown,
  PaymentDisputed,
  PaymentNotFound,
  PaymentsClient,
  type PaymentsClientOptions,
  PaymentsError,
  PermissionDenied,
  status,
  Unavailable,
} from "@payments/client/web";
import { build } from "esbuild";

import { badRequest, errorInfo, faultWith } from "./details.js";
import { chargeResponse, Fault } from "./service.js";
import { end, fail, reply, send, start, startWebService, type WebCall } from "./web_service.js";

const ROOT = join(__dirname, "../..");
const CHARGE = { orderId: 7, amount: new Decimal("5.25") };

/** Starts a service that lets `respond` respond to each call, and returns a client of it. */
async function clientFor(
  t: TestContext,
  respond: (call: WebCall) => void,
  options: Partial<PaymentsClientOptions> = {},
): Promise<PaymentsClient> {
  const client = new PaymentsClient({ url: await startWebService(t, respond), ...options });
  t.after(() => {
    client.close();
  });
  return client;
}

/** Returns the error with which a call rejects. */
async function errorOf(call: Promise<unknown>): Promise<PaymentsError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof PaymentsError, String(error));
  return error;
}

const charged = (request: Buffer) => ChargeResponse.encode(chargeResponse(ChargeRequest.decode(request))).finish();

test("a call over gRPC-Web has the headers of the client, and a deadline", async (t) => {
  const calls: WebCall[] = [];
  const respond = (call: WebCall) => {
    calls.push(call);
    reply(call.response, charged(call.request));
  };
  const client = await clientFor(t, respond, { headers: { authorization: "Bearer session" }, timeoutSeconds: 3 });
  const payment = await client.charge(CHARGE);
  assert.deepEqual([payment.orderId, payment.amount?.toFixed(2)], ["7", "5.25"]);
  assert.equal(calls.length, 1);
  const [{ path, headers }] = calls as [WebCall];
  assert.equal(path, "/payments.v1.PaymentService/Charge");
  assert.equal(headers["content-type"], "application/grpc-web+proto");
  assert.equal(headers.authorization, "Bearer session");
  assert.match(String(headers["grpc-timeout"]), /^(2\d\d\d|3000)m$/);
});

for (const responseStarts of [false, true]) {
  test(`an error ${responseStarts ? "after the start of the response" : "in the headers"} has details`, async (t) => {
    const violation = { field: "amount", description: "is required" };
    const fault = faultWith(grpc.status.INVALID_ARGUMENT, [errorInfo("INVALID_REQUEST"), badRequest(violation)], {
      message: "größer",
      trailers: { "x-request-id": "call-1" },
    });
    const client = await clientFor(t, ({ response }) => {
      if (responseStarts) {
        start(response);
      }
      fail(response, fault);
    });
    const error = await errorOf(client.charge({ ...CHARGE, requestId: "mine" }));
    assert.ok(error instanceof InvalidRequest);
    assert.deepEqual(error.violations, [violation]);
    assert.deepEqual(
      [error.message, error.code, error.reason, error.requestId, error.callId],
      ["größer", status.INVALID_ARGUMENT, "INVALID_REQUEST", "mine", "call-1"],
    );
  });
}

test("a reason selects the class of an error", async (t) => {
  const faults = {
    GetPayment: faultWith(grpc.status.NOT_FOUND, [errorInfo("PAYMENT_NOT_FOUND")]),
    Refund: faultWith(grpc.status.FAILED_PRECONDITION, [errorInfo("PAYMENT_DISPUTED")]),
  };
  const client = await clientFor(t, ({ path, response }) => {
    fail(response, path?.endsWith("/Refund") === true ? faults.Refund : faults.GetPayment);
  });
  assert.ok((await errorOf(client.getPayment({ paymentId: 1 }))) instanceof PaymentNotFound);
  assert.ok((await errorOf(client.refund({ paymentId: 1 }))) instanceof PaymentDisputed);
});

test("all arguments and results pass through gRPC-Web", async (t) => {
  const requests: unknown[] = [];
  const client = await clientFor(t, ({ path = "", request, response }) => {
    if (path.endsWith("/WatchPayments")) {
      requests.push(WatchPaymentsRequest.decode(request).filter?.types);
      start(response);
      send(response, WatchPaymentsResponse.encode(WatchPaymentsResponse.create({ resumeToken: "a" })).finish());
      return;
    }
    const { labels, externalReference, unlessPending, returnUrl } = ChargeRequest.decode(request);
    requests.push(unlessPending, returnUrl);
    const payment = {
      labels,
      externalReference,
      failure: Failure.LIMIT_EXCEEDED,
      failureCode: "limit_exceeded",
      nextAction: { type: NextActionType.REDIRECT, redirectUrl: "https://bank.example/1", expireTime: { seconds: 5n } },
      dispute: { status: DisputeStatus.LOST, amount: { currencyCode: "INR", units: 4n }, closeTime: { seconds: 6n } },
    };
    reply(response, ChargeResponse.encode(ChargeResponse.fromPartial({ payment })).finish());
  });
  const payment = await client.charge({
    externalReference: "ORD-7",
    amount: CHARGE.amount,
    labels: { channel: "web" },
    unlessPending: true,
    paymentSource: "pm_1",
    returnUrl: "https://shop.example/orders/7",
  });
  assert.deepEqual([payment.externalReference, payment.labels], ["ORD-7", { channel: "web" }]);
  assert.deepEqual([payment.failure, payment.failureCode], ["LIMIT_EXCEEDED", "limit_exceeded"]);
  const { nextAction, dispute } = payment;
  assert.deepEqual([nextAction?.type, nextAction?.redirectUrl], ["REDIRECT", "https://bank.example/1"]);
  assert.equal(nextAction?.expireTime.getTime(), 5_000);
  assert.deepEqual([dispute?.status, dispute?.amount?.toFixed(2), dispute?.currency], ["LOST", "4.00", "INR"]);
  assert.equal(dispute?.closeTime?.getTime(), 6_000);
  const updates = client.watchPayments({ types: ["FORGOTTEN"] });
  await updates.next();
  await updates.return();
  assert.deepEqual(requests, [true, "https://shop.example/orders/7", [PaymentEventType.FORGOTTEN]]);
});

test("the error of an order with a pending payment has the payment's id in a browser too", async (t) => {
  const info = errorInfo("ORDER_HAS_PENDING_PAYMENT", { metadata: { payment_id: "403" } });
  const client = await clientFor(t, ({ response }) => {
    fail(response, faultWith(grpc.status.FAILED_PRECONDITION, [info]));
  });
  const error = await errorOf(client.charge({ ...CHARGE, unlessPending: true }));
  assert.ok(error instanceof OrderHasPendingPayment);
  assert.equal(error.paymentId, "403");
});

const failures: Record<string, (call: WebCall) => void> = {
  UNAVAILABLE: ({ response }) => {
    fail(response, new Fault(grpc.status.UNAVAILABLE));
  },
  "a connection that breaks before the response": ({ response }) => {
    response.destroy();
  },
  "a connection that breaks during the response": ({ response }) => {
    start(response);
    send(response, ChargeResponse.encode(ChargeResponse.create()).finish());
    setTimeout(() => response.destroy(), 50);
  },
  "HTTP 503 from a proxy": ({ response }) => {
    response.writeHead(503).end("no upstream");
  },
};
for (const [name, failOnce] of Object.entries(failures)) {
  test(`a charge is retried with the same request_id after ${name}`, async (t) => {
    const requestIds: (string | undefined)[] = [];
    const client = await clientFor(t, (call) => {
      requestIds.push(ChargeRequest.decode(call.request).requestId);
      if (requestIds.length === 1) {
        failOnce(call);
      } else {
        reply(call.response, charged(call.request));
      }
    });
    await client.charge(CHARGE, { timeoutSeconds: 30 });
    assert.equal(requestIds.length, 2);
    assert.ok(requestIds[0]);
    assert.equal(requestIds[0], requestIds[1]);
  });
}

test("a service that cannot be reached is unavailable", async () => {
  const client = new PaymentsClient({ url: "http://127.0.0.1:1", timeoutSeconds: 0.3 });
  const error = await errorOf(client.charge(CHARGE));
  assert.ok(error instanceof Unavailable);
  assert.match(error.message, /could not be reached/);
});

test("HTTP 403 from a proxy is not retried", async (t) => {
  let calls = 0;
  const client = await clientFor(t, ({ response }) => {
    calls += 1;
    response.writeHead(403).end("log in first");
  });
  const error = await errorOf(client.getPayment({ paymentId: 1 }));
  assert.ok(error instanceof PermissionDenied);
  assert.match(error.message, /log in first/);
  assert.equal(calls, 1);
});

test("a call without a response ends at its deadline", async (t) => {
  const client = await clientFor(t, () => undefined);
  assert.ok((await errorOf(client.getPayment({ paymentId: 1 }, { timeoutSeconds: 0.2 }))) instanceof DeadlineExceeded);
});

test("a signal cancels a call, and the service notices", async (t) => {
  const controller = new AbortController();
  const closed: Promise<unknown>[] = [];
  const client = await clientFor(t, ({ response }) => {
    closed.push(once(response, "close"));
    controller.abort(new Error("enough"));
  });
  await assert.rejects(client.getPayment({ paymentId: 1 }, { signal: controller.signal }), /^Error: enough$/);
  await Promise.all(closed);
  assert.equal(closed.length, 1);
});

test("closing the client cancels its calls", async (t) => {
  const client = await clientFor(t, () => {
    client.close();
  });
  const error = await errorOf(client.getPayment({ paymentId: 1 }));
  assert.ok(error instanceof OutcomeUnknown);
  assert.equal(error.code, status.CANCELLED);
});

const update = (resumeToken: string) => WatchPaymentsResponse.encode({ event: undefined, resumeToken }).finish();

test("a watch yields each update at once, and resumes when the connection is lost", async (t) => {
  const tokens: string[] = [];
  const client = await clientFor(t, ({ request, response }) => {
    const { resumeToken } = WatchPaymentsRequest.decode(request);
    tokens.push(resumeToken);
    start(response);
    send(response, update(`${resumeToken}a`));
    if (tokens.length < 3) {
      send(response, update(`${resumeToken}b`));
      setTimeout(() => {
        if (tokens.length === 1) {
          response.destroy();
        } else {
          end(response);
        }
      }, 50);
    }
  });
  const seen: string[] = [];
  for await (const { resumeToken } of client.watchPayments()) {
    seen.push(resumeToken);
    if (seen.length === 5) {
      break;
    }
  }
  assert.deepEqual(seen, ["a", "b", "ba", "bb", "bba"]);
  assert.deepEqual(tokens, ["", "b", "bb"]);
});

test("a watch rejects with an error that does not pass", async (t) => {
  const fault = faultWith(grpc.status.INVALID_ARGUMENT, [errorInfo("INVALID_REQUEST")]);
  const client = await clientFor(t, ({ response }) => {
    start(response);
    send(response, update("a"));
    fail(response, fault);
  });
  const updates = client.watchPayments();
  assert.equal((await updates.next()).value?.resumeToken, "a");
  assert.ok((await errorOf(updates.next())) instanceof InvalidRequest);
});

test("leaving a watch ends its call", async (t) => {
  let closed: Promise<unknown> | undefined;
  const client = await clientFor(t, ({ response }) => {
    closed = once(response, "close");
    start(response);
    send(response, update("a"));
  });
  const updates = client.watchPayments();
  await updates.next();
  const waiting = updates.next();
  await updates.return();
  assert.equal((await waiting).done, true);
  await closed;
});

test("the status codes are those of grpc-js", () => {
  assert.deepEqual({ ...status }, { ...grpc.status });
});

test("a bundle for browsers has no code that needs Node.js", async () => {
  const { metafile, outputFiles } = await build({
    stdin: { contents: 'export * from "@payments/client/web";', resolveDir: ROOT },
    bundle: true,
    format: "esm",
    metafile: true,
    write: false,
    logLevel: "silent",
  });
  const inputs = Object.keys(metafile.inputs);
  assert.ok(inputs.some((path) => path.includes("dist/generated/web/payments/v1/payments.js")));
  const unwanted = /grpc-js|node_modules\/ws\/|dist\/generated\/(?!web\/)/;
  assert.deepEqual(
    inputs.filter((path) => unwanted.test(path)),
    [],
  );
  assert.doesNotMatch(outputFiles[0]?.text ?? "", /\bBuffer\.(from|isBuffer)\b/);
});
