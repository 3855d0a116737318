// Compiles the sources into dist/. Runs as npm's `prepare` too, so `npx masklet` works right after an install.

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const compiler = join(root, "node_modules/typescript/bin/tsc");

if (!existsSync(compiler)) {
  console.log("TypeScript is not installed (production install): keeping dist/ as it is.");
  process.exit(0);
}

rmSync(join(root, "dist"), { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
if (status !== 0) process.exit(status ?? 1);

const { bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
for (const file of Object.values(bin)) {
  // npm sets the bit when it links a command, but not again after dist/ was rebuilt.
  if (existsSync(join(root, file))) chmodSync(join(root, file), 0o755);
}
writeFileSync(join(root, "dist/.built"), "");
