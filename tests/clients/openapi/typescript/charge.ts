// Charges an order, gets the payment and lists it, with openapi-fetch and the types that openapi-typescript generates.
// Prints the responses as JSON.
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

const [server, orderId] = process.argv.slice(2) as [string, string];
const client = createClient<paths>({ baseUrl: server });

function dataOf<T>(name: string, result: { data?: T; error?: unknown }): T {
  if (result.data === undefined) {
    throw new Error(`${name}: ${JSON.stringify(result.error)}`);
  }
  return result.data;
}

const charged = dataOf(
  "charge",
  await client.POST("/v2/payments:charge", {
    params: { header: { "Idempotency-Key": "openapi-typescript" } },
    body: {
      orderId,
      amount: { currencyCode: "INR", units: "561", nanos: 250_000_000 },
      method: "PAYMENT_METHOD_UPI",
    },
  }),
);
const paymentId = charged.payment?.paymentId ?? "";
const got = dataOf(
  "get",
  await client.GET("/v2/payments/{payment_id}", { params: { path: { payment_id: paymentId } } }),
);
const listed = dataOf(
  "list",
  await client.GET("/v2/payments", {
    params: { query: { "filter.orderId": orderId, "filter.methods": ["PAYMENT_METHOD_UPI"] } },
  }),
);
console.log(JSON.stringify({ charged: charged.payment, got: got.payment, listed: listed.payments }));
