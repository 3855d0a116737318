import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createEngine } from "../../../server/engine/index.js";
import { ended, isRunning } from "../../helpers/processes.js";
import { compactPackDir } from "../../helpers/tiny-pack.js";

const engineModule = new URL("../../../server/engine/index.ts", import.meta.url).href;
const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Another program that creates an engine, prints its process id, and then runs `next`. */
async function startHost(
  next: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ host: ChildProcess; workerPid: number }> {
  const program = `
    import { createEngine } from ${JSON.stringify(engineModule)};
    const engine = await createEngine({ packDir: ${JSON.stringify(compactPackDir)}, threads: 1 });
    console.log(engine.stats().workerPid);
    ${next}
  `;
  const host = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
    cwd: root,
    env,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: host.stdout as NodeJS.ReadableStream }), "line")) as [
    string,
  ];
  return { host, workerPid: Number(line) };
}

test("closing ends the inference process, rejects what waits, and may be repeated", async () => {
  const engine = await createEngine({ packDir: compactPackDir, threads: 1 });
  const pid = engine.stats().workerPid as number;
  expect(isRunning(pid)).toBe(true);
  const waiting = engine.open({ width: 8, height: 8 });
  const rejected = expect(waiting).rejects.toMatchObject({ code: "shutting_down" });
  await engine.close();
  await rejected;
  await ended(pid);
  await engine.close();
  await expect(engine.open({ width: 8, height: 8 })).rejects.toMatchObject({
    code: "shutting_down",
  });
});

test("the inference process ends with a program that exits without closing", async () => {
  const { host, workerPid } = await startHost('process.stdin.once("data", () => process.exit(0));');
  expect(isRunning(workerPid)).toBe(true);
  host.stdin?.write("go\n");
  await ended(workerPid);
});

// Elsewhere no system call ends a process with its parent.
test.skipIf(process.platform !== "linux")(
  "the inference process ends with a killed program also while it is stopped",
  async () => {
    const { host, workerPid } = await startHost("setInterval(() => {}, 1000);");
    process.kill(workerPid, "SIGSTOP");
    host.kill("SIGKILL");
    await ended(workerPid);
  },
);

test("the inference process ends with a program that is killed, also on a system without setpriv", async () => {
  const { host, workerPid } = await startHost("setInterval(() => {}, 1000);", {
    ...process.env,
    PATH: "/nowhere",
  });
  expect(isRunning(workerPid)).toBe(true);
  host.kill("SIGKILL");
  await ended(workerPid);
});

test("a terminal's interrupt is left to the main process", async () => {
  const engine = await createEngine({ packDir: compactPackDir, threads: 1 });
  process.kill(engine.stats().workerPid as number, "SIGINT");
  await engine.open({ width: 8, height: 8 });
  expect(engine.stats().restarts).toBe(0);
  await engine.close();
});
