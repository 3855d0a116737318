/** Is a process still running, and waiting until it is not. */
import { execFileSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

/** False for zombies too: they have ended, whoever started them has merely not looked. */
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
