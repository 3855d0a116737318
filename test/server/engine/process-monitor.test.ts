/** The monitor with real processes that are stopped, that compute without end, and that are suspended with the monitor. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { cpuTimeMs } from "../../../server/engine/cpu-time.js";
import { monitorProcess } from "../../../server/engine/process-monitor.js";
import { until } from "../../helpers/settle.js";

const isLinux = process.platform === "linux";
const root = fileURLToPath(new URL("../../..", import.meta.url));

function startChild(program: string): ChildProcess {
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

const monitored = (child: ChildProcess, calls: number) => ({
  pid: child.pid as number,
  sample: () => ({ calls, messages: 0, answers: 0, graphRuns: 0 }),
  ping: () => new Promise(() => {}),
});

test.runIf(isLinux)("ends a stopped process by the short limit, and suspects it before", async () => {
  const child = startChild('setInterval(() => {}, 1000); console.log("ready")');
  await once(child.stdout as NodeJS.ReadableStream, "data");
  child.kill("SIGSTOP");
  const reasons: string[] = [];
  const monitor = monitorProcess(monitored(child, 0), { stallMs: 1500, runTimeoutMs: 60_000 }, (reason) =>
    reasons.push(reason),
  );
  onTestFinished(() => monitor.stop());
  await until(() => monitor.suspicion !== undefined);
  expect(monitor.suspicion).toMatch(/^no answer and no CPU time for/);
  await until(() => reasons.length > 0);
  expect(reasons).toEqual([expect.stringMatching(/^no answer and no CPU time for/)]);
});

test("ends a process that computes without end by the long limit only", async () => {
  const child = startChild('console.log("ready"); for (;;);');
  await once(child.stdout as NodeJS.ReadableStream, "data");
  const reasons: string[] = [];
  const monitor = monitorProcess(monitored(child, 1), { stallMs: 1500, runTimeoutMs: 4000 }, (reason) =>
    reasons.push(reason),
  );
  onTestFinished(() => monitor.stop());
  await until(() => reasons.length > 0);
  expect(reasons).toEqual([expect.stringMatching(/^no call answered and no graph run completed for/)]);
});

test.runIf(isLinux)("reads the CPU time of a process, and nothing of one that does not exist", async () => {
  const before = cpuTimeMs(process.pid) as number;
  for (const end = performance.now() + 60; performance.now() < end; );
  expect(cpuTimeMs(process.pid)).toBeGreaterThan(before);
  expect(cpuTimeMs(2 ** 30)).toBeUndefined();
});

test.runIf(isLinux)(
  "does not count the time in which the whole process group is suspended",
  async () => {
    const monitorModule = new URL("../../../server/engine/process-monitor.ts", import.meta.url).href;
    const program = `
      import { spawn } from "node:child_process";
      import { monitorProcess } from ${JSON.stringify(monitorModule)};
      const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
      process.on("exit", () => child.kill("SIGKILL"));
      let messages = 0;
      monitorProcess(
        {
          pid: child.pid,
          sample: () => ({ calls: 1, messages, answers: messages, graphRuns: 0 }),
          ping: async () => void messages++,
        },
        { stallMs: 1500, runTimeoutMs: 3000 },
        (reason) => process.exit(7),
      );
      setTimeout(() => console.log("ready"), 1000);
      process.stdin.once("data", () => process.exit(0));
    `;
    const host = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
      cwd: root,
      detached: true,
      stdio: ["pipe", "pipe", "inherit"],
    });
    const group = -(host.pid as number);
    onTestFinished(() => {
      try {
        process.kill(group, "SIGKILL");
      } catch {}
    });
    await once(createInterface({ input: host.stdout as NodeJS.ReadableStream }), "line");
    process.kill(group, "SIGSTOP");
    await delay(4000);
    process.kill(group, "SIGCONT");
    await delay(1000);
    const exit = once(host, "exit");
    host.stdin?.write("end\n");
    expect(await exit).toEqual([0, null]);
  },
  30_000,
);
