import { defineConfig } from "vitest/config";

/**
 * `npm run test:long` runs them, in minutes: each rule of the protocol and each case of a WebSocket, long sessions, the memory of
 * pictures, and processes that are killed again and again.
 */
export const LONG_SUITES = [
  "test/autobahn/*.test.ts",
  "test/clients/conformance/*.test.ts",
  "test/clients/command-help-examples.test.ts",
  "test/clients/command-stop.test.ts",
  "test/server/engine/recovery.test.ts",
  "test/server/engine/stall.test.ts",
  "test/server/media/numbering.test.ts",
  "test/server/pictures/cost.test.ts",
  "test/tracker/long-session.test.ts",
  "test/tracker/snapshot-compact.test.ts",
];

/** `npm run test:docs` runs them: links and samples of the documents, and the examples against a server. */
export const DOCUMENT_SUITES = ["test/docs/*.test.ts"];

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [...LONG_SUITES, ...DOCUMENT_SUITES],
    globalSetup: "test/helpers/compile-programs.ts",
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
});
