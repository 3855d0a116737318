/** `npm run test:browser`: the page in a real Chromium with a real server. One file after the other: each needs both cores. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  test: {
    include: ["test/browser/*.spec.ts"],
    pool: "forks",
    maxWorkers: 1,
    testTimeout: 90_000,
    expect: { poll: { timeout: 30_000, interval: 50 } },
    hookTimeout: 90_000,
    teardownTimeout: 20_000,
  },
});
