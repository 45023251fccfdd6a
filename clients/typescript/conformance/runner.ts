/**
 * Runs the conformance cases with the TypeScript client (see `clients/conformance/README.md`).
 *
 * Usage: `node runner.js cases TARGET CASES_FILE`, `node runner.js fake CASES_FILE` or
 * `node runner.js charges TARGET FIRST COUNT`.
 */
import { readFileSync } from "node:fs";

import { Decimal, PaymentsClient } from "@payments/client";
import { FakePayments } from "@payments/client/testing";

import { type Case, CaseRun, Mismatch } from "./case.js";

const MAX_CONCURRENCY = 8;
const CHARGE_TIMEOUT_SECONDS = 60;
const USAGE =
  "usage: runner.js cases TARGET CASES_FILE | runner.js fake CASES_FILE | runner.js charges TARGET FIRST COUNT";
/** The currencies that the cases expect to be allowed. */
const CURRENCIES = ["INR", "JPY", "KWD", "CLF"];

/** Runs all cases, prints each failure, and returns the exit code. */
async function runCases(client: PaymentsClient, casesFile: string): Promise<number> {
  const cases = JSON.parse(readFileSync(casesFile, "utf-8")) as Case[];
  let failed = 0;
  for (const { name, steps } of cases) {
    const run = new CaseRun(client);
    let number = 0;
    try {
      for (const step of steps) {
        number += 1;
        await run.run(step);
      }
    } catch (error) {
      if (!(error instanceof Mismatch)) {
        throw error;
      }
      failed += 1;
      console.log(`${name}: step ${number}: ${error.message}`);
    }
  }
  console.log(`${cases.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** Charges `count` orders, eight concurrently, and prints the payment_ids. */
async function runCharges(target: string, first: number, count: number): Promise<number> {
  using client = new PaymentsClient({ target, timeoutSeconds: CHARGE_TIMEOUT_SECONDS });
  const paymentIds: string[] = [];
  let next = first;
  const worker = async () => {
    while (next < first + count) {
      const orderId = next++;
      const payment = await client.charge({ orderId, amount: new Decimal("1.00"), method: "UPI" });
      paymentIds.push(payment.paymentId);
    }
  };
  await Promise.all(Array.from({ length: MAX_CONCURRENCY }, worker));
  console.log(`[${paymentIds.join(", ")}]`);
  return 0;
}

/** Runs a command line and returns the exit code. */
async function run([command, ...args]: readonly string[]): Promise<number> {
  const [first = "", second = "", third = ""] = args;
  if (command === "cases" && args.length === 2) {
    using client = new PaymentsClient({ target: first });
    return await runCases(client, second);
  }
  if (command === "fake" && args.length === 1) {
    const { transport } = new FakePayments({ allowedCurrencies: CURRENCIES });
    using client = new PaymentsClient({ transport });
    return await runCases(client, first);
  }
  if (command === "charges" && args.length === 3) {
    return runCharges(first, Number(second), Number(third));
  }
  console.error(USAGE);
  return 2;
}

void run(process.argv.slice(2)).then((exitCode) => {
  process.exitCode = exitCode;
});
