import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { connectionLimit, readDescriptorLimit } from "../../server/http/connection-limit.js";

test.each([
  { wanted: 1000, descriptors: 200, expected: 66 },
  { wanted: 1000, descriptors: 1024, expected: 341 },
  { wanted: 1000, descriptors: 1_048_576, expected: 1000 },
  { wanted: 1000, descriptors: undefined, expected: 1000 },
  { wanted: 10, descriptors: 200, expected: 10 },
  { wanted: 1000, descriptors: 2, expected: 1 },
])("$wanted connections with $descriptors descriptors: $expected", ({ wanted, descriptors, expected }) => {
  expect(connectionLimit(wanted, descriptors)).toBe(expected);
});

test.skipIf(process.platform === "win32")(
  "reads the limit of file descriptors that the shell reports",
  () => {
    const reported = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim();
    expect(readDescriptorLimit()).toBe(reported === "unlimited" ? undefined : Number(reported));
  },
);
