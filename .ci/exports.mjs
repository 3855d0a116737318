// Opens every export by the tool of its format, and frames of the Python client by the tools that it converts them for:
// `npm run test:exports`. Without Python or its package index it skips and prints why. With `--all` also by FiftyOne, of a gigabyte,
// and by Ultralytics, which installs torch: several gigabytes.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pythonEnvironment, root } from "./python-environment.mjs";

const PACKAGES = {
  "pycocotools>=2.0.8": "pycocotools",
  "datumaro>=1.10": "datumaro",
  "trackeval>=1.0": "trackeval",
  "supervision>=0.31": "supervision",
  "label-studio-sdk>=2": "label_studio_sdk",
  "websockets>=13": "websockets",
};

const MORE_PACKAGES = { "ultralytics>=8.3": "ultralytics", "fiftyone==1.22.1": "fiftyone" };

/** Without what they depend on: labelme needs Qt only to draw, and the SDK of CVAT its network client only for servers. */
const ALONE = {
  "labelme==6.3.1": "labelme",
  "cvat-sdk>=2.40": "cvat_sdk",
  "loguru>=0.7": "loguru",
  "natsort>=7.1": "natsort",
  "imgviz>=2": "imgviz",
  "cmap>=0.4": "cmap",
  "tifffile>=2024.1.30": "tifffile",
};

const withAll = process.argv.includes("--all");
const packages = withAll ? { ...PACKAGES, ...MORE_PACKAGES } : PACKAGES;
const { python, reason } = pythonEnvironment(withAll ? "exports-all" : "exports", packages, ALONE);
if (reason) {
  console.log(`Tests of exports by their tools skipped: ${reason}`);
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), "masklet-exports-"));
const env = { ...process.env, PYTHONPATH: join(root, "clients", "python", "src") };
const run = (command, args) => spawnSync(command, args, { cwd: root, env, stdio: "inherit" }).status === 0;
const tsx = join(root, "node_modules", "tsx", "dist", "cli.mjs");
const passed =
  run(process.execPath, [tsx, "test/exports/tools/write.ts", folder]) &&
  run(python, ["test/exports/tools/check.py", folder]);
rmSync(folder, { recursive: true, force: true });
process.exitCode = passed ? 0 : 1;
