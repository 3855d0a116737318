/** Keys of owners for tests. */
import { createKey } from "../../server/keys/key.js";
import { keyLine } from "../../server/keys/key-lines.js";

/** One key for each name, and the setting `keysFile`. */
export function makeKeys<Name extends string>(
  ...names: readonly Name[]
): { keysFile: string; keys: Readonly<Record<Name, string>> } {
  const keys = Object.fromEntries(names.map((name) => [name, createKey()])) as Record<Name, string>;
  return { keysFile: names.map((name) => keyLine(name, keys[name])).join("\n"), keys };
}
