/** CPU time of another process. */
import { readFileSync } from "node:fs";

/** Clock ticks of `/proc` per second: fixed in the interface between Linux and programs (`USER_HZ`). */
const TICKS_PER_SECOND = 100;

/**
 * User and system time of all threads in milliseconds, in steps of 10 ms. Undefined on systems without `/proc`, and for a
 * process that has ended. Follows proc_pid_stat(5).
 */
export function cpuTimeMs(pid: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field, the name in brackets, may contain spaces and brackets.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    // Fields 14 and 15 of the line, which starts with field 3 here.
    const ticks = Number(fields[11]) + Number(fields[12]);
    return Number.isFinite(ticks) ? (ticks * 1000) / TICKS_PER_SECOND : undefined;
  } catch {
    return undefined;
  }
}
