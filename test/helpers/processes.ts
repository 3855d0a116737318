/** Checks whether a process runs, and waits for its end. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** False for zombies as well: they have ended, but their parent has not collected their status. */
export function isRunning(pid: number): boolean {
  try {
    const state = execFileSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" }).trim();
    return state !== "" && !state.startsWith("Z");
  } catch {
    return false;
  }
}

/** Resolves when the process has ended. The timeout of the test limits the wait. */
export async function ended(pid: number): Promise<void> {
  while (isRunning(pid)) await delay(20);
}

/** Process ids of the inference processes that this process has started and that still run. */
export function inferenceProcesses(): number[] {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat=,args="], { encoding: "utf8" }).split("\n");
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, parent, state]) => Number(parent) === process.pid && !state?.startsWith("Z"))
    .filter((fields) => fields.some((field) => field.includes("inference-main")))
    .map(([pid]) => Number(pid));
}

/** A process and everything that it started, such as the program inside a box. */
export function withChildren(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(path) ? readFileSync(path, "utf8").split(" ").filter(Boolean).map(Number) : [];
  return [pid, ...children.flatMap(withChildren)];
}
