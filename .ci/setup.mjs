// Makes a fresh clone ready: installs what package-lock.json asks for, and with --build also compiles dist/
// when a source file is newer. Plain Node, because it runs before anything is installed.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const sourceRooms = ["protocol", "detector", "memory", "tracker", "server", "clients"];

function readLock(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).packages : undefined;
}

/** True when every package of the lock is installed in its version; optional ones may be missing (other platforms). */
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
    else if (entry.name.endsWith(".ts")) newest = Math.max(newest, statSync(path).mtimeMs);
  }
  return newest;
}

function buildIsFresh() {
  const stamp = join(root, "dist/.built");
  if (!existsSync(stamp)) return false;
  const rooms = sourceRooms.map((room) => join(root, room)).filter(existsSync);
  return Math.max(...rooms.map(newestSourceMs)) <= statSync(stamp).mtimeMs;
}

function npm(...args) {
  console.log(`> npm ${args.join(" ")}`);
  // npm tells its scripts where it lives, which avoids looking for npm.cmd on Windows.
  const { npm_execpath: npmPath } = process.env;
  const [command, prefix] = npmPath ? [process.execPath, [npmPath]] : ["npm", []];
  const { status } = spawnSync(command, [...prefix, ...args], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

if (!installMatchesLock()) {
  console.log("Installing dependencies (node_modules does not match package-lock.json).");
  npm("ci", "--include=dev", "--no-audit", "--no-fund");
}
if (process.argv.includes("--build") && !buildIsFresh()) {
  console.log("Compiling TypeScript (dist/ is missing or older than the sources).");
  npm("run", "build");
}
