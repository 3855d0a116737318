/** The keys of a server and their checks, from the setting `keysFile`. */
import type { Logger } from "../log.js";
import { createFailedKeys } from "./failed-keys.js";
import { createKeyCheck, type KeyCheck } from "./key-check.js";
import { containsKeys, readKeys } from "./key-source.js";
import { createKeys, type Keys } from "./keys.js";

export interface Keyring extends KeyCheck, Pick<Keys, "weightOf"> {
  /**
   * Reads the file again. Resolves to the number of keys as text. Rejects, and changes nothing, when they cannot be used.
   * Absent when the setting contains the keys themselves.
   */
  reload?: () => Promise<string>;
}

/** @throws RangeError when the keys cannot be used, in one sentence that names the file. */
export async function openKeyring(setting: string, log: Logger): Promise<Keyring> {
  const keys = createKeys(await read());

  async function read() {
    const { keys: lines, warning } = await readKeys(setting);
    if (warning !== undefined) log.warn(warning);
    return lines;
  }

  async function reload(): Promise<string> {
    try {
      keys.replace(await read());
    } catch (error) {
      log.error({ err: error }, "the keys stay as they were");
      throw error;
    }
    log.info(`the server has ${keys.summary()}`);
    return keys.summary();
  }

  return {
    ...createKeyCheck(keys, createFailedKeys()),
    weightOf: keys.weightOf,
    ...(!containsKeys(setting) && { reload }),
  };
}
