/** The lines of a keys file: `NAME:sha256:HEX`, optionally with `:WEIGHT`. */
import { digestOf } from "./key.js";

export interface KeyLine {
  /** Who the key belongs to. Several lines may have the same name. */
  name: string;
  /** SHA-256 of the key, 64 lower-case hex digits. */
  hash: string;
  /** Undefined when the line has none. */
  weight: number | undefined;
}

export const NAME_RULE =
  "1 to 64 characters: letters and digits of ASCII, and . _ @ - after the first character";
export const MAX_WEIGHT = 100;
/** Every key of a request is compared with every line. */
export const MAX_KEY_LINES = 1000;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

export function isKeyName(text: string): boolean {
  return NAME.test(text);
}

/** The weight as a number; undefined unless the text is a whole number from 1 to 100. */
export function parseWeight(text: string): number | undefined {
  const weight = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : undefined;
  return weight !== undefined && weight <= MAX_WEIGHT ? weight : undefined;
}

/** The line of a new key. @throws RangeError for text that is no key */
export function keyLine(name: string, key: string, weight?: number): string {
  const digest = digestOf(key);
  if (!digest) throw new RangeError("expected a key");
  return `${name}:sha256:${digest.toString("hex")}${weight === undefined ? "" : `:${weight}`}`;
}

/**
 * One line of text without its end; undefined for empty lines and comments, which begin with `#`. A comment may follow a key
 * after white space.
 *
 * @throws RangeError with the expectation
 */
export function parseKeyLine(text: string): KeyLine | undefined {
  const line = text.replace(/(^|\s)#.*$/, "").trim();
  if (line === "") return undefined;
  const [name = "", algorithm, hash = "", weightText, ...rest] = line.split(":");
  if (algorithm === undefined || rest.length > 0) throw new RangeError("expected NAME:sha256:HEX[:WEIGHT]");
  if (!isKeyName(name)) throw new RangeError(`expected a name of ${NAME_RULE}`);
  if (algorithm !== "sha256") throw new RangeError("expected sha256 after the name");
  if (!/^[0-9a-f]{64}$/i.test(hash)) throw new RangeError("expected 64 hex digits, the SHA-256 of the key");
  const weight = weightText === undefined ? undefined : parseWeight(weightText);
  if (weightText !== undefined && weight === undefined) {
    throw new RangeError(`expected a weight, a whole number from 1 to ${MAX_WEIGHT}`);
  }
  return { name, hash: hash.toLowerCase(), weight };
}

/**
 * All keys of a text.
 *
 * @param source where the text comes from, for errors
 * @throws RangeError with the number of the line at fault, or when there is no key
 */
export function parseKeyLines(text: string, source: string): KeyLine[] {
  const keys: KeyLine[] = [];
  /** By hash, the number of its first line. */
  const lineOfHash = new Map<string, { name: string; number: number }>();
  const weightOfName = new Map<string, { weight: number; number: number }>();
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/);
  for (const [index, line] of lines.entries()) {
    const number = index + 1;
    const fail = (problem: string) => new RangeError(`${source}, line ${number}: ${problem}.`);
    let key: KeyLine | undefined;
    try {
      key = parseKeyLine(line);
    } catch (error) {
      throw fail((error as Error).message);
    }
    if (!key) continue;
    const { name, hash, weight } = key;
    const same = lineOfHash.get(hash);
    if (same && same.name !== name) throw fail(`the key is also that of ${same.name} on line ${same.number}`);
    const known = weightOfName.get(name);
    if (known && weight !== undefined && weight !== known.weight) {
      throw fail(`${name} has the weight ${known.weight} on line ${known.number}, and ${weight} here`);
    }
    if (weight !== undefined) weightOfName.set(name, known ?? { weight, number });
    if (same) continue;
    lineOfHash.set(hash, { name, number });
    keys.push(key);
    if (keys.length > MAX_KEY_LINES) throw fail(`expected at most ${MAX_KEY_LINES} keys`);
  }
  if (keys.length === 0) {
    throw new RangeError(
      `${source} contains no key, so no client could use the server; "masklet keys add NAME" makes one.`,
    );
  }
  return keys;
}
