// Compiles the sources into dist/. A failed compilation leaves the previous dist/ in place.

import { spawnSync } from "node:child_process";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const compiler = join(root, "node_modules/typescript/bin/tsc");
const fresh = join(root, `dist-${process.pid}.tmp`);
const builtAt = new Date();

const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json", "--outDir", fresh], {
  cwd: root,
  stdio: "inherit",
});
if (status !== 0) {
  rmSync(fresh, { recursive: true, force: true });
  process.exit(status ?? 1);
}
// The annotator page.
try {
  const { build } = await import("vite");
  await build({
    configFile: join(root, "clients/web/vite.config.ts"),
    logLevel: "error",
    build: { outDir: join(fresh, "web"), emptyOutDir: true },
  });
} catch (error) {
  rmSync(fresh, { recursive: true, force: true });
  console.error(error);
  process.exit(1);
}
// setup.mjs reads this. The time is from before the compilation, so that an edit during it counts as newer.
writeFileSync(join(fresh, ".built"), builtAt.toISOString());
const dist = join(root, "dist");
const previous = join(root, `dist-${process.pid}.previous.tmp`);

/** Renames a folder. Returns false when the error has one of the codes. */
function rename(from, to, ...codes) {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (codes.includes(error.code)) return false;
    throw error;
  }
}

rename(dist, previous, "ENOENT");
// Two commands can build at the same time. The first to finish decides; both have compiled the same sources.
if (!rename(fresh, dist, "ENOTEMPTY", "EEXIST", "EPERM")) rmSync(fresh, { recursive: true, force: true });
rmSync(previous, { recursive: true, force: true });
