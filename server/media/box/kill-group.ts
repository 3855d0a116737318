import type { ChildProcess } from "node:child_process";

/**
 * Ends a process and all processes of its group.
 *
 * The launcher of a box starts a second process, which then waits for the launcher before it prepares the box. bubblewrap
 * connects their ends only after that wait: a launcher that is killed earlier leaves a process that waits for ever.
 *
 * @param child with a group of its own where it was started with `detached`; otherwise it alone is ended
 */
export function killGroup(child: ChildProcess): void {
  const isRunning = child.exitCode === null && child.signalCode === null;
  if (child.pid === undefined || !isRunning) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has no group of its own, as on Windows, or the group has ended.
    child.kill("SIGKILL");
  }
}
