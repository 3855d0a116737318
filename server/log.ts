import { pino } from "pino";

export type { Logger } from "pino";

/** Logs as JSON lines on standard error: standard output belongs to the program that starts the server. */
export function createLog(level: string) {
  const destination = pino.destination(2);
  // A full disk or a closed pipe loses log lines. Without a listener the error would end the process.
  destination.on("error", () => {});
  return pino({ name: "masklet", level, base: null }, destination);
}
