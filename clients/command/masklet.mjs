#!/usr/bin/env node
// What npm runs as `masklet`. In a clone (never in the published package) it first installs and compiles
// whatever is missing or out of date, so that `npx masklet` is always the code you see.

import { existsSync } from "node:fs";

const setup = new URL("../../.ci/setup.mjs", import.meta.url);
if (existsSync(setup)) {
  const { ensureReady } = await import(setup.href);
  ensureReady({ build: true });
}
await import("../../dist/clients/command/main.js");
