import { defineConfig } from "vitest/config";

/**
 * `npm run test:long` runs them, in minutes: each rule of the protocol and each case of a WebSocket, long sessions, the memory of
 * pictures, whole runs of the command, every format of masks there and back, what clients read over HTTP, recordings of SAM 3,
 * edits and limits through a socket, and processes that are drained, restarted, and killed again and again.
 */
export const LONG_SUITES = [
  "test/adapters/label-studio-annotators.test.ts",
  "test/adapters/together.test.ts",
  "test/autobahn/*.test.ts",
  "test/clients/command-batch.test.ts",
  "test/clients/command-help-examples.test.ts",
  "test/clients/command-serve.test.ts",
  "test/clients/command-stop.test.ts",
  "test/clients/command-track.test.ts",
  "test/clients/conformance/*.test.ts",
  "test/clients/reconnect.test.ts",
  "test/exports/import-route.test.ts",
  "test/exports/round-trips.test.ts",
  "test/parity/videos.test.ts",
  "test/server/ack-flow.test.ts",
  "test/server/drain.test.ts",
  "test/server/edits/socket.test.ts",
  "test/server/engine/lifetime.test.ts",
  "test/server/engine/process-monitor.test.ts",
  "test/server/engine/recovery.test.ts",
  "test/server/engine/reload.test.ts",
  "test/server/engine/restart.test.ts",
  "test/server/engine/runtime.test.ts",
  "test/server/engine/stall.test.ts",
  "test/server/http/reading.test.ts",
  "test/server/lifecycle.test.ts",
  "test/server/mask-formats.test.ts",
  "test/server/media/containers.test.ts",
  "test/server/media/numbering.test.ts",
  "test/server/media/tags.test.ts",
  "test/server/media/tool-failures.test.ts",
  "test/server/pictures/cost.test.ts",
  "test/server/predict-limits.test.ts",
  "test/server/recall.test.ts",
  "test/server/saved.test.ts",
  "test/server/session-shares.test.ts",
  "test/server/uploads/restart.test.ts",
  "test/tracker/long-session.test.ts",
  "test/tracker/mask-prompt.test.ts",
  "test/tracker/snapshot-compact.test.ts",
  "test/tracker/snapshot.test.ts",
  "test/web/edits.test.ts",
  "test/web/reopen.test.ts",
];

/**
 * They replace modules, globals or variables of their process, or measure it, so each runs in its own. The other files share
 * processes.
 */
export const ISOLATED_SUITES = [
  "test/adapters/x-anylabeling-parts.test.ts",
  // Waited once for a file or a graph until its timeout, after other files in its process; not seen again in 30 runs.
  "test/clients/command-pack.test.ts",
  "test/clients/link.test.ts",
  "test/clients/typescript-keys.test.ts",
  "test/server/engine/engine.test.ts",
  "test/server/engine/graph-thread.test.ts",
  "test/server/engine/idle-collection.test.ts",
  "test/server/flow.test.ts",
  "test/server/http.test.ts",
  "test/server/media/bad-files.test.ts",
  "test/server/media/binaries.test.ts",
  "test/server/media/box-parts.test.ts",
  "test/server/media/box.test.ts",
  "test/server/media/hostile-videos.test.ts",
  "test/server/media/lifecycle.test.ts",
  "test/server/media/opening.test.ts",
  "test/server/media/picture-shape.test.ts",
  "test/server/media/swapped-links.test.ts",
  "test/server/media/tool-process.test.ts",
  "test/server/media/video-clock.test.ts",
  "test/server/media/video.test.ts",
  "test/server/predictor.test.ts",
  "test/server/probe-places.test.ts",
  "test/server/uploads/store.test.ts",
  "test/tracker/masks/large-mask.test.ts",
  "test/tracker/masks/weighted-runs.test.ts",
  "test/web/autosave.test.ts",
];

/** `npm run test:docs` runs them: links and samples of the documents, and the examples against a server. */
export const DOCUMENT_SUITES = ["test/docs/*.test.ts"];

/** What the runs have in common. */
export const settings = {
  globalSetup: "test/helpers/compile-programs.ts",
  setupFiles: "test/helpers/each-file.ts",
  pool: "forks",
  maxWorkers: 2,
  testTimeout: 60_000,
  hookTimeout: 60_000,
  teardownTimeout: 20_000,
} as const;

/** Two projects of one run: files that share processes, and files in processes of their own. */
const projects = [
  {
    test: {
      ...settings,
      name: "shared",
      isolate: false,
      include: ["test/**/*.test.ts"],
      exclude: [...LONG_SUITES, ...DOCUMENT_SUITES, ...ISOLATED_SUITES],
    },
  },
  { test: { ...settings, name: "isolated", include: ISOLATED_SUITES } },
];

export default defineConfig({ test: { maxWorkers: settings.maxWorkers, projects } });
