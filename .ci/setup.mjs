// Prepares a clone: installs the packages of package-lock.json, and with --build also compiles dist/ when a source
// file is newer. It uses only Node, because it runs before the packages are installed.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { requireNodeVersion } from "../clients/command/node-version.mjs";

requireNodeVersion();

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const sourceRooms = ["protocol", "detector", "memory", "tracker", "server", "clients"];

function readLock(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).packages : undefined;
}

/** True when every package of the lock file is installed in its version. Optional ones may be missing: other platforms. */
function installMatchesLock() {
  const installed = readLock(join(root, "node_modules/.package-lock.json"));
  if (!installed) return false;
  return Object.entries(readLock(join(root, "package-lock.json"))).every(
    ([path, wanted]) =>
      path === "" || installed[path]?.version === wanted.version || (wanted.optional && !installed[path]),
  );
}

function newestSourceMs(directory) {
  let newest = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) newest = Math.max(newest, newestSourceMs(path));
    else if (/\.(tsx?|css|html|svg)$/.test(entry.name)) newest = Math.max(newest, statSync(path).mtimeMs);
  }
  return newest;
}

function buildIsFresh() {
  const stamp = join(root, "dist/.built");
  if (!existsSync(stamp)) return false;
  const rooms = sourceRooms.map((room) => join(root, room)).filter((room) => existsSync(room));
  return Math.max(...rooms.map(newestSourceMs)) < Date.parse(readFileSync(stamp, "utf8"));
}

// Without this, the install script of onnxruntime-node downloads CUDA libraries on Linux and fails where it cannot reach
// them. The package already contains the CPU build. A value that is set has precedence.
const env = { ONNXRUNTIME_NODE_INSTALL: "skip", ...process.env };

function npm(...args) {
  // npm passes its own path to its scripts, which avoids the search for npm.cmd. Yarn sets the same variable, hence the check.
  const { npm_execpath: npmPath } = process.env;
  const [command, prefix] = npmPath?.endsWith("npm-cli.js") ? [process.execPath, [npmPath]] : ["npm", []];
  // All output goes to stderr: `npx masklet` runs this as well, and its stdout belongs to the command.
  const { status } = spawnSync(command, [...prefix, ...args], { cwd: root, env, stdio: ["inherit", 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}

/** Installs, and with `build` compiles, what is out of date. Ends the process when that fails. */
export function ensureReady({ build }) {
  if (!installMatchesLock()) {
    console.error("Installing dependencies with npm ci (node_modules does not match package-lock.json).");
    npm("ci", "--include=dev", "--no-audit", "--no-fund");
  }
  if (build && !buildIsFresh()) {
    console.error("Compiling TypeScript (dist/ is missing or older than the sources).");
    npm("run", "--silent", "build");
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensureReady({ build: process.argv.includes("--build") });
}
