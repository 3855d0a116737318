/** The keys of a running server. */
import { timingSafeEqual } from "node:crypto";
import type { OwnerId } from "../session-owner.js";
import { digestOf } from "./key.js";
import type { KeyLine } from "./key-lines.js";

/** A valid key. */
export interface ValidKey {
  owner: OwnerId;
  /** Name of the owner, as in the keys file. */
  name: string;
  /** Calls back once when the key is removed. Returns the function that removes the listener. */
  onRemoved(listener: () => void): () => void;
}

export interface Keys {
  /** Compares text that has the form of a key with all keys, in the same time whether one is equal or not. */
  find(text: string): ValidKey | undefined;
  /** 1 for owners without a weight. */
  weightOf(owner: OwnerId): number;
  /** Removes the keys that are not among the lines, and adds the others. */
  replace(lines: readonly KeyLine[]): void;
  /** Keys and owners, as "3 keys of 2 owners". */
  summary(): string;
}

interface Entry {
  line: KeyLine;
  digest: Buffer;
  listeners: Set<() => void>;
}

export const ownerOfKey = (name: string): OwnerId => `key ${name}`;

export function createKeys(lines: readonly KeyLine[]): Keys {
  let entries: Entry[] = [];
  let weights = new Map<OwnerId, number>();

  function replace(next: readonly KeyLine[]): void {
    const earlier = new Map(entries.map((entry) => [`${entry.line.name}:${entry.line.hash}`, entry]));
    entries = next.map((line) => {
      const id = `${line.name}:${line.hash}`;
      const { listeners } = earlier.get(id) ?? { listeners: new Set() };
      earlier.delete(id);
      return { line, digest: Buffer.from(line.hash, "hex"), listeners };
    });
    weights = new Map(
      next.flatMap(({ name, weight }) => (weight === undefined ? [] : [[ownerOfKey(name), weight]])),
    );
    // The remaining ones. A listener may remove itself.
    for (const { listeners } of earlier.values()) for (const listener of [...listeners]) listener();
  }

  replace(lines);
  return {
    find(text) {
      const digest = digestOf(text);
      if (!digest) return undefined;
      let found: Entry | undefined;
      for (const entry of entries) if (timingSafeEqual(entry.digest, digest)) found = entry;
      if (!found) return undefined;
      const { line, listeners } = found;
      return {
        owner: ownerOfKey(line.name),
        name: line.name,
        onRemoved(listener) {
          listeners.add(listener);
          return () => void listeners.delete(listener);
        },
      };
    },
    weightOf: (owner) => weights.get(owner) ?? 1,
    replace,
    summary() {
      const owners = new Set(entries.map(({ line }) => line.name)).size;
      return `${count(entries.length, "key")} of ${count(owners, "owner")}`;
    },
  };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
