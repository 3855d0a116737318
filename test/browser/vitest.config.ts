/** `npm run test:browser`: the page in a real Chromium with a real server. One file after the other: each needs both cores. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  test: {
    include: ["test/browser/*.spec.ts"],
    globalSetup: ["test/browser/prepare.ts"],
    pool: "forks",
    maxWorkers: 1,
    // Steps of a way through the page: after a failed one, the others have no meaning.
    bail: 1,
    // For a machine that does other work as well.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 90_000, interval: 50 } },
    teardownTimeout: 20_000,
  },
});
