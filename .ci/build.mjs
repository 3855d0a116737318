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
rmSync(join(root, "dist"), { recursive: true, force: true });
renameSync(fresh, join(root, "dist"));
