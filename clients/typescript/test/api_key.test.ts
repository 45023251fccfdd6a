import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import { Decimal, grpc, PaymentsClient } from "@payments/client";

import { clientOf, Fault, startService } from "./service.js";

const KEY = "secret-api-key";
const CHARGE = { orderId: 1, amount: new Decimal(1) };

for (const target of [
  "127.0.0.1:50051",
  "127.8.9.10:50051",
  "localhost:50051",
  "[::1]:50051",
  "dns:///localhost:50051",
  "dns:localhost:50051",
  "ipv4:127.0.0.1:1,127.0.0.2:2",
  "ipv6:[::1]:50051",
  "unix:/run/payments.sock",
  undefined,
]) {
  test(`an API key may be sent unencrypted to ${target ?? "the default target"}`, (t) => {
    assert.ok(clientOf(t, { target, apiKey: KEY }));
  });
}

for (const target of [
  "payments.internal:50051",
  "10.0.0.1:50051",
  "126.0.0.1:50051",
  "128.0.0.1:50051",
  "localhost.example:50051",
  "127.0.0.1.example:50051",
  "dns:///payments.internal:50051",
  "dns://127.0.0.1/payments.internal:50051",
  "ipv4:127.0.0.1:1,10.0.0.1:2",
  "ipv6:[2001:db8::1]:50051",
  "[::2]:50051",
  "0.0.0.0:50051",
]) {
  test(`an API key must not be sent unencrypted to ${target}`, () => {
    assert.throws(
      () => new PaymentsClient({ target, apiKey: KEY }),
      (error) => {
        assert.ok(error instanceof RangeError);
        assert.match(error.message, /^apiKey needs credentials/);
        assert.ok(!inspect(error).includes(KEY));
        return true;
      },
    );
  });
}

test("insecure credentials do not allow an API key to another machine", () => {
  const credentials = grpc.credentials.createInsecure();
  assert.throws(() => new PaymentsClient({ target: "10.0.0.1:50051", apiKey: KEY, credentials }), RangeError);
});

test("an API key may be sent to another machine over TLS", (t) => {
  const credentials = grpc.credentials.createSsl();
  assert.ok(clientOf(t, { target: "payments.internal:50051", apiKey: KEY, credentials }));
});

for (const apiKey of ["", "two words", "line\nbreak", "schlüssel", "tab\t"]) {
  test(`${JSON.stringify(apiKey)} is rejected as an API key, and the message does not contain it`, () => {
    assert.throws(
      () => new PaymentsClient({ apiKey }),
      (error) => {
        assert.ok(error instanceof RangeError);
        assert.match(error.message, /^apiKey must be 1 or more printable ASCII/);
        assert.ok(apiKey === "" || !error.message.includes(apiKey));
        return true;
      },
    );
  });
}

test("an API key is sent with each attempt as a bearer token, but only if there is one", async (t) => {
  let failures = 0;
  const service = await startService(t, {
    getPayment: () => {
      failures += 1;
      if (failures === 1) {
        throw new Fault(grpc.status.UNAVAILABLE);
      }
      return { payment: undefined, refunds: [], nextRefundsPageToken: "" };
    },
  });
  await clientOf(t, { target: service.target, apiKey: KEY }).getPayment({ paymentId: 1 });
  await clientOf(t, { target: service.target }).getPayment({ paymentId: 1 });
  assert.deepEqual(
    service.calls.map((call) => call.metadata.get("authorization")),
    [[`Bearer ${KEY}`], [`Bearer ${KEY}`], []],
  );
});

test("formatting the client or its errors does not reveal the API key", async (t) => {
  const service = await startService(t, {
    charge: () => {
      throw new Fault(grpc.status.UNAUTHENTICATED, "invalid API key");
    },
  });
  const client = clientOf(t, { target: service.target, apiKey: KEY });
  const error: unknown = await client.charge(CHARGE).catch((thrown: unknown) => thrown);
  const everything = { depth: Infinity, showHidden: true };
  assert.match(inspect(error, everything), /invalid API key/);
  for (const form of [inspect(client, everything), JSON.stringify(client), inspect(error, everything)]) {
    assert.ok(!form.includes(KEY));
  }
});
