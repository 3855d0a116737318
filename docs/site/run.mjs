// Builds the documentation site into docs/site/dist (`npm run docs:build`) or serves it while the pages are edited
// (`npm run docs:dev`). The tools have a package.json of their own, so that `npm ci` of the repository does not install them.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeReference } from "./reference.mjs";

const site = fileURLToPath(new URL(".", import.meta.url));

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: site, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

function packagesOf(path) {
  if (!existsSync(path)) return undefined;
  return Object.entries(JSON.parse(readFileSync(path, "utf8")).packages).filter(([name]) => name !== "");
}

/** True when node_modules has each version of the lock file. Optional packages may be missing: they are for other platforms. */
function isInstalled() {
  const installed = Object.fromEntries(packagesOf(join(site, "node_modules/.package-lock.json")) ?? []);
  return packagesOf(join(site, "package-lock.json")).every(
    ([name, wanted]) => installed[name]?.version === wanted.version || (wanted.optional && !installed[name]),
  );
}

const [mode = "build"] = process.argv.slice(2);
if (mode !== "build" && mode !== "dev") {
  console.error(`expected build or dev, got "${mode}".`);
  process.exit(2);
}
if (!isInstalled()) {
  console.error("Installing the tools of the site with npm ci in docs/site.");
  run("npm", ["ci", "--no-audit", "--no-fund"]);
}
writeReference();
run(process.execPath, [join(site, "node_modules/vitepress/bin/vitepress.js"), mode, "."]);
