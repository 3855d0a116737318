/** The check that runs before anything is loaded. It is JavaScript, because older versions of Node run it. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = new URL("../../", import.meta.url);

/** The message for each version; null where there is none. */
async function problemsOf(versions: string[]): Promise<(string | null)[]> {
  const script = `
    import { nodeVersionProblem } from "./clients/command/node-version.mjs";
    console.log(JSON.stringify(process.argv.slice(1).map((version) => nodeVersionProblem(version) ?? null)));
  `;
  const args = ["--input-type=module", "-e", script, "--", ...versions];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: fileURLToPath(root) });
  return JSON.parse(stdout);
}

it("names the version that is required and the one that runs", async () => {
  const { engines } = JSON.parse(await readFile(new URL("package.json", root), "utf8"));
  const oldest = engines.node.replace(">=", "");
  const message = (version: string) => `masklet requires Node ${oldest} or newer; this is Node ${version}.`;
  expect(await problemsOf(["14.21.3", "18.20.0", "20.9.0"])).toEqual(
    ["14.21.3", "18.20.0", "20.9.0"].map(message),
  );
  expect(await problemsOf([`${oldest}.0`, "20.20.2", "22.0.0", "24.1.0", process.versions.node])).toEqual(
    Array(5).fill(null),
  );
});
