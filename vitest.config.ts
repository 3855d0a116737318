import { defineConfig } from "vitest/config";

/** `npm run test:conformance` runs them: they verify each rule of the protocol and each case of a WebSocket, in minutes. */
export const LONG_SUITES = ["test/clients/conformance/**", "test/autobahn/**"];

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: LONG_SUITES,
    globalSetup: "test/helpers/compile-programs.ts",
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
});
