import assert from "node:assert/strict";
import { test } from "node:test";

import { Decimal, grpc, Unavailable } from "@payments/client";

import { Authority, type Certificate } from "./certificates.js";
import { type Handlers, chargeResponse, clientOf, startService } from "./service.js";

const CHARGE = { orderId: 1, amount: new Decimal(1) };

function serverCredentials(authority: Authority, requireClientCertificate: boolean): grpc.ServerCredentials {
  const { key, certificate } = authority.issue("server");
  const pair = { private_key: key, cert_chain: certificate };
  return grpc.ServerCredentials.createSsl(authority.certificate, [pair], requireClientCertificate);
}

function clientCredentials(authority: Authority, client?: Certificate): grpc.ChannelCredentials {
  return grpc.credentials.createSsl(authority.certificate, client?.key, client?.certificate);
}

test("a call over TLS sends the API key", async (t) => {
  const authority = new Authority(t);
  const service = await startService(t, {}, { credentials: serverCredentials(authority, false) });
  const options = { target: service.target, credentials: clientCredentials(authority), apiKey: "secret" };
  await clientOf(t, options).charge(CHARGE);
  assert.deepEqual(service.calls[0]?.metadata.get("authorization"), ["Bearer secret"]);
});

test("nothing is sent to a service whose certificate another authority issued", async (t) => {
  const service = await startService(t, {}, { credentials: serverCredentials(new Authority(t), false) });
  const credentials = clientCredentials(new Authority(t));
  const client = clientOf(t, { target: service.target, credentials, timeoutSeconds: 1 });
  await assert.rejects(client.charge(CHARGE), Unavailable);
  assert.equal(service.calls.length, 0);
});

test("a client without TLS cannot call a service with TLS", async (t) => {
  const service = await startService(t, {}, { credentials: serverCredentials(new Authority(t), false) });
  const client = clientOf(t, { target: service.target, timeoutSeconds: 1 });
  await assert.rejects(client.charge(CHARGE), Unavailable);
  assert.equal(service.calls.length, 0);
});

test("a service that requires client certificates sees the client's", async (t) => {
  const authority = new Authority(t);
  const seen: unknown[] = [];
  const handlers: Handlers = {
    charge: (call) => {
      seen.push(call.getAuthContext().sslPeerCertificate?.subject.CN);
      return chargeResponse(call.request);
    },
  };
  const service = await startService(t, handlers, { credentials: serverCredentials(authority, true) });
  const credentials = clientCredentials(authority, authority.issue("checkout"));
  await clientOf(t, { target: service.target, credentials }).charge(CHARGE);
  assert.deepEqual(seen, ["checkout"]);
});

test("a client without a certificate cannot call a service that requires one", async (t) => {
  const authority = new Authority(t);
  const service = await startService(t, {}, { credentials: serverCredentials(authority, true) });
  const client = clientOf(t, { target: service.target, credentials: clientCredentials(authority), timeoutSeconds: 1 });
  await assert.rejects(client.charge(CHARGE), Unavailable);
  assert.equal(service.calls.length, 0);
});
