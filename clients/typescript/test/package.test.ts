import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { VERSION } from "#dist/version.js";

test("the version in the user agent is the package's", () => {
  const manifest = JSON.parse(readFileSync(join(__dirname, "../../package.json"), "utf-8")) as {
    version: string;
  };
  assert.equal(VERSION, manifest.version);
});
