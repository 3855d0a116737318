#!/usr/bin/env node
// The executable `masklet`. In a clone, but not in the published package, it first installs and compiles what is missing
// or out of date, so that `npx masklet` runs the current sources.

import { existsSync } from "node:fs";
import { requireNodeVersion } from "./node-version.mjs";

requireNodeVersion();

const setup = new URL("../../.ci/setup.mjs", import.meta.url);
if (existsSync(setup)) {
  const { ensureReady } = await import(setup.href);
  ensureReady({ build: true });
}
await import("../../dist/clients/command/main.js");
