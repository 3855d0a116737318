/**
 * Notices the end of the npm process that runs a command, as `npx masklet serve` does. npm runs the command in a shell and
 * forwards some signals to the shell only; others end npm alone. Both leave the command running without anyone to stop it.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const CHECK_INTERVAL_MS = 500;
/** A shell between npm and the command. Other parents are npm itself, when the shell has replaced itself by the command. */
const SHELLS = /^(.*\/)?-?(sh|dash|bash|ash|busybox|zsh|ksh)$/;

interface ProcessFacts {
  parent: number;
  name: string;
}

/**
 * Calls back once, when npm or its shell has ended. Has no effect in a process that npm did not start, for example in one that
 * a service manager or a user's shell started: it may outlive its parent. No effect on Windows, where a process keeps the id of a parent
 * that has ended. Returns the function that ends the watch.
 */
export function onNpmEnd(listener: () => void, env: NodeJS.ProcessEnv = process.env): () => void {
  const isRunByNpm = env.npm_command === "exec" || env.npm_command === "run-script";
  if (!isRunByNpm || process.platform === "win32") return () => {};
  const parent = process.ppid;
  const facts = factsOf(parent);
  // The parent has ended already: the command was started in the background on purpose.
  if (!facts || parent === 1) return () => {};
  const npm = SHELLS.test(facts.name) ? facts.parent : undefined;
  const isNpmThere =
    npm === undefined
      ? () => true
      : process.platform === "linux"
        ? () => factsOf(parent)?.parent === npm
        : () => isAlive(npm);
  const timer = setInterval(() => {
    if (process.ppid === parent && isNpmThere()) return;
    clearInterval(timer);
    listener();
  }, CHECK_INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** From `/proc` on Linux, see proc_pid_stat(5); elsewhere from `ps`. Undefined for a process that has ended. */
function factsOf(pid: number): ProcessFacts | undefined {
  try {
    const text =
      process.platform === "linux"
        ? readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^\d+ \((.*)\) \S (\d+) .*$/s, "$2 $1")
        : execFileSync("ps", ["-o", "ppid=,comm=", "-p", String(pid)], { encoding: "utf8" });
    const [, parent, name] = /^\s*(\d+)\s+(.*?)\s*$/.exec(text) ?? [];
    return parent && name ? { parent: Number(parent), name } : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
