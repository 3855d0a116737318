// Lints and tests clients/python: `npm run test:python`. Without Python or its package index it skips and prints why.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pythonEnvironment, root } from "./python-environment.mjs";

const PACKAGES = {
  "websockets>=13": "websockets",
  "numpy>=1.24": "numpy",
  "pillow>=9": "PIL",
  "pytest>=8": "pytest",
  "ruff==0.17.6": "ruff",
  "mypy==2.4.1": "mypy",
};

const { python, reason } = pythonEnvironment("python", PACKAGES);
if (reason) {
  console.log(`Python tests skipped: ${reason}`);
  process.exit(0);
}
const commands = [
  ["ruff", "check", "--quiet", "."],
  ["ruff", "format", "--check", "--quiet", "."],
  ["mypy", "--no-error-summary"],
  ["pytest", "--quiet", "-p", "no:cacheprovider"],
];
const cwd = join(root, "clients", "python");
const failed = commands
  .map((args) => spawnSync(python, ["-m", ...args], { cwd, stdio: "inherit" }))
  .some(({ status }) => status !== 0);
process.exitCode = failed ? 1 : 0;
