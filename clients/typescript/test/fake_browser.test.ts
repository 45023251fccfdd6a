import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

import { build } from "esbuild";

const ROOT = join(__dirname, "../..");

/** Charges twice with one request_id, and returns the first payment's status and the second charge's error. */
const PROGRAM = `
import { Decimal, PaymentsClient, PaymentsError } from "@payments/client/web";
import { FakePayments } from "@payments/client/testing";

globalThis.result = (async () => {
  const payments = new FakePayments({ defaultSource: "sim_declined" });
  const client = new PaymentsClient({ transport: payments.transport });
  const { status } = await client.charge({ orderId: 1, amount: new Decimal("5.00"), requestId: "r" });
  const error = await client.charge({ orderId: 2, amount: new Decimal("5.00"), requestId: "r" }).catch((e) => e);
  return JSON.stringify([status, error instanceof PaymentsError, error.name, error.reason, error.callId]);
})();
`;

test("the fake runs in a page, with the client for browsers, without code that needs Node.js", async () => {
  const { metafile, outputFiles } = await build({
    stdin: { contents: PROGRAM, resolveDir: ROOT },
    bundle: true,
    metafile: true,
    write: false,
    logLevel: "silent",
  });
  const unwanted = /grpc-js|node_modules\/ws\/|dist\/generated\/(?!web\/)/;
  assert.deepEqual(
    Object.keys(metafile.inputs).filter((path) => unwanted.test(path)),
    [],
  );
  // What a page has, and the fake or the client uses. In particular, there is no Buffer.
  const page: Record<string, unknown> = { AbortController, TextDecoder, TextEncoder, performance, queueMicrotask };
  runInNewContext(outputFiles[0]?.text ?? "", page);
  assert.deepEqual(JSON.parse(await (page["result"] as Promise<string>)), [
    "FAILED",
    true,
    "RequestIdReused",
    "REQUEST_ID_REUSED",
    "fake-call-2",
  ]);
});
