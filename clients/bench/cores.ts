import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";

/**
 * Restricts this process and its later children to this many of its cores. Linux only.
 * @throws Error when that is not possible
 */
export async function keepToCores(count: number): Promise<void> {
  const cores = availableParallelism();
  if (count >= cores) return;
  const pid = String(process.pid);
  const affinity = (...args: string[]) => promisify(execFile)("taskset", [...args, pid]);
  try {
    const { stdout } = await affinity("--cpu-list", "--pid");
    const allowed = parseCpuList(stdout.slice(stdout.lastIndexOf(":") + 1));
    await affinity("--all-tasks", "--cpu-list", "--pid", allowed.slice(0, count).join(","));
  } catch (error) {
    throw new Error(`Cannot restrict the process to ${count} of ${cores} cores: ${(error as Error).message}`);
  }
}

/** `0-2,7` → 0, 1, 2, 7 */
function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(",")
    .flatMap((part) => {
      const [first = 0, last = first] = part.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, place) => first + place);
    });
}
