// Lints and tests clients/python: `npm run test:python`. It installs NumPy, pytest and ruff into a virtual environment in
// node_modules/.cache. Without Python 3.10 or newer, or without a package index on the first run, it skips and prints why.

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGES = ["numpy>=1.24", "pytest>=8", "ruff>=0.8"];

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const client = join(root, "clients", "python");
const environment = join(root, "node_modules", ".cache", "python");
const scripts = join(environment, process.platform === "win32" ? "Scripts" : "bin");
const python = join(scripts, "python");

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: client, stdio: "inherit", ...options });
}

function skip(reason) {
  console.log(`Python tests skipped: ${reason}`);
  process.exit(0);
}

/** The first Python of at least 3.10, preferring the one that PYTHON names. */
function findPython() {
  const isRecent = "import sys; sys.exit(sys.version_info < (3, 10))";
  const names = [process.env.PYTHON, "python3", "python"].filter((name) => name);
  return names.find((name) => run(name, ["-c", isRecent], { stdio: "ignore" }).status === 0);
}

function install() {
  if (run(python, ["-c", "import numpy, pytest, ruff"], { stdio: "ignore" }).status === 0) return;
  const found = findPython();
  if (!found) skip("there is no Python 3.10 or newer (PYTHON, python3, python).");
  rmSync(environment, { recursive: true, force: true });
  if (run(found, ["-m", "venv", environment]).status !== 0)
    skip(`${found} cannot create a virtual environment.`);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PACKAGES];
  if (run(python, pip).status !== 0) {
    rmSync(environment, { recursive: true, force: true });
    skip(`pip could not install ${PACKAGES.join(", ")}.`);
  }
}

install();
const ruff = [
  ["check", "--quiet", "."],
  ["format", "--check", "--quiet", "."],
];
const failed = [
  ...ruff.map((args) => run(python, ["-m", "ruff", ...args])),
  run(python, ["-m", "pytest", "--quiet", "-p", "no:cacheprovider"]),
].some(({ status }) => status !== 0);
process.exitCode = failed ? 1 : 0;
