/** The options of `npm run soak`. */
import { parseArgs } from "node:util";

export interface SoakOptions {
  /** Fuzzed messages. */
  messages: number;
  /** Clients that are killed in the middle of a stream. */
  clients: number;
  /** Inference processes that are killed; every fifth is stopped instead. */
  kills: number;
  /** Frames of the long session. */
  frames: number;
  /** The owners work at least this long. */
  minutes: number;
  /** Also the hostile files and requests, one after the other. */
  rows: boolean;
  /** The same seed makes the same messages, files and requests. */
  seed: number;
}

/** A few minutes in all. */
const DEFAULTS: SoakOptions = {
  messages: 20_000,
  clients: 40,
  kills: 4,
  frames: 600,
  minutes: 1,
  rows: true,
  seed: 1,
};

/** @throws Error for an unknown option or a value that is no number from 0 */
export function readOptions(args: readonly string[]): SoakOptions {
  const names = Object.keys(DEFAULTS) as (keyof SoakOptions)[];
  const { values } = parseArgs({
    args: [...args],
    allowNegative: true,
    options: Object.fromEntries(
      names.map((name) => [name, { type: name === "rows" ? "boolean" : "string" } as const]),
    ),
  });
  const options: SoakOptions = { ...DEFAULTS };
  for (const name of names) {
    const given = values[name];
    if (given === undefined) continue;
    if (name === "rows") options.rows = given === true;
    else {
      const value = Number(given);
      if (!(value >= 0)) throw new Error(`--${name}: expected a number from 0, got "${given}"`);
      options[name] = value;
    }
  }
  return options;
}
