// Runs the annotation tools themselves against the adapters: `npm run test:tools [-- --within SECONDS]`. Their environments are kept
// outside the clone. A tool that cannot be installed here is skipped. With `--within`, so is one for which the time does not suffice or
// that cannot be operated to its end, because both can be a matter of the machine or of the network. A result that differs from the
// truth always fails, and so does an adapter that does not answer the tool. The reasons are printed last.

import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { findChromium } from "./chromium.mjs";
import { pythonEnvironment, root } from "./python-environment.mjs";

const { values } = parseArgs({ options: { within: { type: "string" } } });
const isBounded = values.within !== undefined;
const end = Date.now() + 1000 * Number(values.within ?? 3600);
const leftMs = () => Math.max(1, end - Date.now());

/** The longest time of one tool, after its installation. */
const MAX_MS = 12 * 60_000;
/** A tool does not start with less time than this. */
const LEAST_MS = 60_000;
/** Children of the driver end with it. */
const GRACE_MS = 10_000;
/** As in `test/adapters/tools/outcome.ts`. */
const FAILED = 1;
const INCOMPLETE = 3;

const tsx = join(root, "node_modules", "tsx", "dist", "cli.mjs");
const isThere = (program) => spawnSync(program, ["-help"], { stdio: "ignore" }).error === undefined;

const TOOLS = [
  {
    name: "CVAT",
    environment: "cvat",
    packages: {
      "cvat-cli==2.80.0": "cvat-cli",
      "cvat-sdk[masks]==2.80.0": "cvat_sdk",
      "websockets>=13": "websockets",
      "pillow>=9": "PIL",
      "requests>=2.32": "requests",
    },
    find: () => ({}),
    script: "test/adapters/tools/cvat.ts",
  },
  {
    name: "Label Studio",
    environment: "label-studio",
    packages: { "label-studio==1.23.2": "label-studio" },
    find: async () => {
      const chromium = await findChromium();
      return chromium === undefined
        ? { reason: "there is no Chromium (CHROMIUM_PATH)." }
        : { env: { CHROMIUM_PATH: chromium } };
    },
    script: "test/adapters/tools/label-studio.ts",
  },
  {
    name: "X-AnyLabeling",
    environment: "x-anylabeling",
    packages: { "x-anylabeling-cvhub[cpu]==4.2.1": "xanylabeling" },
    find: () =>
      isThere("Xvfb") ? {} : { reason: "there is no Xvfb (Debian: xvfb and the libraries of Qt)." },
    script: "test/adapters/tools/x-anylabeling.ts",
  },
  {
    name: "SAM 3's notebooks",
    environment: "sam3",
    // What the visualisation functions of sam3 import, except torch, which is several gigabytes.
    packages: {
      "numpy>=1.26,<2.4": "numpy",
      "opencv-python-headless>=4.10": "cv2",
      "matplotlib>=3.8": "matplotlib",
      "pandas>=2": "pandas",
      "pycocotools>=2.0.10": "pycocotools",
      "pillow>=10": "PIL",
      "scikit-image>=0.24": "skimage",
      "scikit-learn>=1.4": "sklearn",
      "tqdm>=4.66": "tqdm",
      "websockets>=13": "websockets",
    },
    alone: { "sam3==0.1.4": "sam3" },
    find: () => ({}),
    script: "test/adapters/tools/sam3.ts",
  },
];

/** Runs a driver in a process group of its own. Returns its status and what it has printed. */
function drive(script, python, env) {
  const child = spawn(process.execPath, [tsx, script, python], {
    ...{ cwd: root, detached: true },
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // The group has ended.
    }
  };
  let output = "";
  let isStopped = false;
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  const timer = setTimeout(
    () => {
      isStopped = true;
      stop("SIGTERM");
      setTimeout(() => stop("SIGKILL"), GRACE_MS);
    },
    Math.min(MAX_MS, leftMs()),
  );
  return new Promise((resolve) =>
    child.once("close", (status) => {
      clearTimeout(timer);
      stop("SIGKILL");
      // A driver that is stopped reports what has failed until then.
      resolve({
        status: isStopped && status !== FAILED ? INCOMPLETE : status,
        output: output.trim(),
        isStopped,
      });
    }),
  );
}

/** Installs a tool and drives it. Returns the lines to print, and whether the test has failed. */
async function run({ name, environment, packages, alone = {}, find, script }, folder) {
  const skipped = (reason) => ({ lines: [`Test with ${name} skipped: ${reason}`], hasFailed: false });
  const noTime = () => skipped(`the ${values.within} seconds of --within do not suffice.`);
  if (leftMs() < LEAST_MS) return noTime();
  const { env = {}, reason } = await find();
  if (reason) return skipped(reason);
  const { python, reason: problem } = pythonEnvironment(environment, packages, alone, folder, leftMs());
  if (problem) return skipped(problem);
  if (leftMs() < LEAST_MS) return noTime();
  const { status, output, isStopped } = await drive(script, python, { ...env, TOOLS_FOLDER: folder });
  const lines = [...(output ? [output] : []), ...(isStopped ? [`${name} did not end in time.`] : [])];
  if (lines.length === 0) lines.push(`${name} ended with the status ${status}.`);
  return { lines, hasFailed: status !== 0 && !(isBounded && status === INCOMPLETE) };
}

function toolsFolder() {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "masklet", "tools");
  try {
    mkdirSync(folder, { recursive: true });
    return { folder };
  } catch (error) {
    return { reason: `${error.message}.` };
  }
}

const { folder, reason } = toolsFolder();
const results = [];
if (folder) for (const tool of TOOLS) results.push(await run(tool, folder));
else results.push({ lines: [`Tests with tools skipped: ${reason}`], hasFailed: false });
console.log(results.flatMap(({ lines }) => lines).join("\n"));
process.exitCode = results.some(({ hasFailed }) => hasFailed) ? 1 : 0;
