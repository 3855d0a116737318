/** How a client connects again after it lost its connection. */
export interface ReconnectOptions {
  /** Attempts before the client gives up. Default 12, which take about four minutes. */
  maxAttempts?: number;
  /** The longest delay before the first attempt; it doubles with each attempt. Default 500. */
  firstDelayMs?: number;
  /** The longest delay. Default 30,000. */
  maxDelayMs?: number;
}

export type Backoff = Required<ReconnectOptions>;

const DEFAULTS: Backoff = { maxAttempts: 12, firstDelayMs: 500, maxDelayMs: 30_000 };

/** Undefined when the client must not connect again. */
export function readBackoff(options: boolean | ReconnectOptions): Backoff | undefined {
  if (options === false) return undefined;
  return options === true ? DEFAULTS : { ...DEFAULTS, ...options };
}

/**
 * The delay before an attempt, which are counted from 0. It is random between half of the longest delay and all of it, so that
 * the clients of a server that was restarted do not all connect at once.
 */
export function delayMs(
  { firstDelayMs, maxDelayMs }: Backoff,
  attempt: number,
  random = Math.random(),
): number {
  return Math.min(maxDelayMs, firstDelayMs * 2 ** attempt) * (0.5 + random / 2);
}

/**
 * Close codes after which connecting again would fail in the same way; see the table of PROTOCOL.md. 1000 and 1005: one of
 * the two sides ended the connection on purpose.
 */
const FATAL_CODES: ReadonlySet<number> = new Set([1000, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 4401]);

export function isFatal(code: number): boolean {
  return FATAL_CODES.has(code);
}
