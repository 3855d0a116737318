import { pino } from "pino";

export type { Logger } from "pino";

/** Logs as JSON lines on standard error: standard output belongs to the program that starts the server. */
export function createLog(level: string) {
  return pino({ name: "masklet", level, base: null }, pino.destination(2));
}
