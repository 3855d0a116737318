/** What a server does after an exception that nothing caught: its state may be damaged, so that it must end. */
import type { RunningServer } from "../../server/main.js";
import { EXIT_FAULT } from "./errors.js";

/** Time to save sessions and to close sockets. */
const LONGEST_STOP_MS = 15_000;

/**
 * Ends the process with status 70 after the first exception or rejection that nothing catches. For programs of their own only:
 * a library must not decide this for the program that uses it.
 * @returns the function that removes the handler
 */
export function exitAfterFault({ log, drain }: Pick<RunningServer, "log" | "drain">): () => void {
  let isStopping = false;
  const exit = () => process.exit(EXIT_FAULT);
  const handle = (error: Error, origin: string) => {
    log.fatal({ err: error, origin }, "a fault of the server; it stops");
    if (isStopping) return;
    isStopping = true;
    setTimeout(exit, LONGEST_STOP_MS);
    drain({ drainMs: 0 }).then(exit, exit);
  };
  // Node reports unhandled rejections by the same event.
  process.on("uncaughtException", handle);
  return () => void process.off("uncaughtException", handle);
}
