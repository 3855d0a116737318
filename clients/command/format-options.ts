import { UsageError } from "./errors.js";

/**
 * The values of `--option NAME=VALUE` by their names.
 * @throws UsageError for a text without a name
 */
export function parseFormatOptions(given: readonly string[]): Record<string, string> {
  const options = given.map((text) => {
    const at = text.indexOf("=");
    if (at < 1) throw new UsageError(`--option: expected NAME=VALUE, such as masks=polygons, got "${text}".`);
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  return Object.fromEntries(options);
}
