import assert from "node:assert/strict";
import { test } from "node:test";

import { grpc } from "@payments/client";
import { PaymentEventType, type WatchPaymentsRequest, WatchPaymentsResponse } from "@payments/client/v1";

import { clientOf, Fault, hang, startService } from "./service.js";

const CONDITIONS = {
  caller: "shop",
  orderId: 342,
  externalReference: "ORD-342",
  customerId: "customer 7",
} as const;
const FILTER = {
  caller: "shop",
  orderId: 342n,
  externalReference: "ORD-342",
  customerId: "customer 7",
  types: [PaymentEventType.FAILED, PaymentEventType.FORGOTTEN, PaymentEventType.DISPUTE_LOST],
};

test("a watch sends its conditions, and sends them again whenever it resumes", async (t) => {
  const service = await startService(t, {
    watchPayments: async function* (call) {
      yield WatchPaymentsResponse.create({ resumeToken: `${call.request.resumeToken}+` });
      if (service.calls.length < 3) {
        throw new Fault(grpc.status.UNAVAILABLE);
      }
      await hang(call);
    },
  });
  // A generator can be read only once.
  const types = (function* () {
    yield "FAILED" as const;
    yield "FORGOTTEN" as const;
    yield "DISPUTE_LOST" as const;
  })();
  const client = clientOf(t, { target: service.target });
  for await (const { resumeToken } of client.watchPayments({ resumeToken: "7", ...CONDITIONS, types })) {
    if (resumeToken === "7+++") {
      break;
    }
  }
  assert.deepEqual(
    service.calls.map((call) => call.request),
    ["7", "7+", "7++"].map((resumeToken) => ({ resumeToken, filter: FILTER })),
  );
});

test("a watch without conditions sends an empty filter", async (t) => {
  const service = await startService(t);
  await clientOf(t, { target: service.target }).watchPayments({ types: [] }).next();
  const { filter } = service.calls[0]?.request as WatchPaymentsRequest;
  assert.deepEqual(filter, {
    caller: undefined,
    orderId: undefined,
    externalReference: undefined,
    customerId: undefined,
    types: [],
  });
});

test("an order_id of zero is a condition", async (t) => {
  const service = await startService(t);
  await clientOf(t, { target: service.target }).watchPayments({ orderId: 0 }).next();
  assert.equal((service.calls[0]?.request as WatchPaymentsRequest).filter?.orderId, 0n);
});
