// Runs the annotation tools themselves against the adapters: `npm run test:tools`. Their environments are kept outside the clone. A
// tool that cannot be installed or run here is skipped, and the reasons are printed last.

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { pythonEnvironment, root } from "./python-environment.mjs";

const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "masklet", "tools");
mkdirSync(folder, { recursive: true });

const isThere = (program) => spawnSync(program, ["-help"], { stdio: "ignore" }).error === undefined;
const TOOLS = [
  {
    name: "X-AnyLabeling",
    environment: "x-anylabeling",
    packages: { "x-anylabeling-cvhub[cpu]==4.2.1": "xanylabeling" },
    missing: () => (isThere("Xvfb") ? undefined : "there is no Xvfb (Debian: xvfb and the libraries of Qt)."),
    script: "test/adapters/tools/x-anylabeling.ts",
  },
];

const tsx = join(root, "node_modules", "tsx", "dist", "cli.mjs");
const lines = [];
for (const { name, environment, packages, missing, script } of TOOLS) {
  const reason = missing();
  const { python, reason: problem } = reason
    ? { reason }
    : pythonEnvironment(environment, packages, {}, folder);
  if (problem) {
    lines.push(`Test with ${name} skipped: ${problem}`);
    continue;
  }
  const { status, stdout } = spawnSync(process.execPath, [tsx, script, python], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
    timeout: 12 * 60_000,
  });
  if (status !== 0) process.exitCode = 1;
  lines.push(stdout.trim() || `${name} ended with the status ${status}.`);
}
console.log(lines.join("\n"));
