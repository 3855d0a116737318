// A virtual environment in node_modules/.cache with packages of Python's index.

import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

function run(command, args, options = {}) {
  return spawnSync(command, args, { stdio: "inherit", ...options });
}

/** The first Python of at least 3.10, preferring the one that PYTHON names. */
function findPython() {
  const isRecent = "import sys; sys.exit(sys.version_info < (3, 10))";
  const names = [process.env.PYTHON, "python3", "python"].filter((name) => name);
  return names.find((name) => run(name, ["-c", isRecent], { stdio: "ignore" }).status === 0);
}

/**
 * Installs packages unless they are installed. Returns the folder of the executables, or `reason`: without Python 3.10 or
 * newer, or without a package index on the first run.
 *
 * @param {string} name of the environment
 * @param {Record<string, string>} packages the module or executable that each requirement provides, by requirement
 * @param {Record<string, string>} alone packages that are installed without their dependencies, likewise
 * @param {string} parent folder of the environment
 * @param {number | undefined} timeoutMs the longest time of an installation
 */
export function pythonEnvironment(
  name,
  packages,
  alone = {},
  parent = join(root, "node_modules", ".cache"),
  timeoutMs = undefined,
) {
  const environment = join(parent, name);
  const scripts = join(environment, process.platform === "win32" ? "Scripts" : "bin");
  const python = join(scripts, "python");
  const find = "import importlib.util, sys; sys.exit(not importlib.util.find_spec(sys.argv[1]))";
  const isInstalled = Object.values({ ...packages, ...alone }).every(
    (provided) =>
      existsSync(join(scripts, provided)) ||
      run(python, ["-c", find, provided], { stdio: "ignore" }).status === 0,
  );
  if (isInstalled) return { scripts, python };
  const found = findPython();
  if (!found) return { reason: "there is no Python 3.10 or newer (PYTHON, python3, python)." };
  rmSync(environment, { recursive: true, force: true });
  if (run(found, ["-m", "venv", environment]).status !== 0)
    return { reason: `${found} cannot create a virtual environment.` };
  const [requirements, others] = [Object.keys(packages), Object.keys(alone)];
  const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  const limits = { timeout: timeoutMs, killSignal: "SIGKILL" };
  const isDone =
    run(python, [...install, ...requirements], limits).status === 0 &&
    (others.length === 0 || run(python, [...install, "--no-deps", ...others], limits).status === 0);
  if (isDone) return { scripts, python };
  rmSync(environment, { recursive: true, force: true });
  return { reason: `pip could not install ${[...requirements, ...others].join(", ")}.` };
}
