/** Whether a process runs, and waiting for its end. */
import { execFileSync } from "node:child_process";
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

/** Resolves when the process has ended; a test that waits for ever fails by its own limit. */
export async function ended(pid: number): Promise<void> {
  while (isRunning(pid)) await delay(20);
}
