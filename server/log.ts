import { type DestinationStream, pino } from "pino";

export type { Logger } from "pino";

/** Values that never reach the log, wherever a field of this name is logged. */
const SECRETS = ["key", "keys", "session_token", "authorization", "cookie"].flatMap((name) => [
  name,
  `*.${name}`,
  `*.*.${name}`,
]);

/**
 * Logs as JSON lines on standard error: standard output belongs to the program that starts the server.
 * @param destination receives the lines instead
 */
export function createLog(level: string, destination: DestinationStream = standardError()) {
  return pino({ name: "masklet", level, base: null, redact: SECRETS }, destination);
}

function standardError(): DestinationStream {
  const destination = pino.destination(2);
  // A full disk or a closed pipe loses log lines. Without a listener the error would end the process.
  destination.on("error", () => {});
  return destination;
}
