// Runs test/browser in a real Chromium, or prints why it cannot. Arguments go to vitest.

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findChromium } from "./chromium.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const chromium = await findChromium();
if (chromium === undefined) {
  console.log(
    "test/browser is skipped: no Chromium found. Set CHROMIUM_PATH, or install chromium or google-chrome.",
  );
  process.exit(0);
}
const vitest = join(root, "node_modules/vitest/vitest.mjs");
const args = [vitest, "run", "--config", "test/browser/vitest.config.ts", ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, args, {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, CHROMIUM_PATH: chromium },
});
process.exit(status ?? 1);
