import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(__dirname, "../..");

test("the README shows the example of the fake that this suite runs", () => {
  const example = readFileSync(join(ROOT, "test/fake_example.test.ts"), "utf-8");
  assert.ok(readFileSync(join(ROOT, "README.md"), "utf-8").includes(`\`\`\`typescript\n${example}\`\`\`\n`));
});
