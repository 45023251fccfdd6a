import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const CASES_FILE = join(__dirname, "../../../conformance/cases.json");
const RUNNER = join(__dirname, "../conformance/runner.js");

// Some cases wait for outcomes that take 5 seconds.
test("the fake passes the conformance cases of the service", async () => {
  const cases = JSON.parse(readFileSync(CASES_FILE, "utf-8")) as unknown[];
  const run = promisify(execFile)(process.execPath, [RUNNER, "fake", CASES_FILE]);
  const { stdout } = await run.catch((error: unknown) => error as { stdout: string });
  assert.equal(stdout, `${cases.length} passed, 0 failed\n`);
});
