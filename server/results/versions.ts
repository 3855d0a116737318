/**
 * A map from frame indices to immutable values with undo and redo. A version contains only the values that changed since its
 * checkpoint, so a hundred versions of a long video take little memory.
 */

export interface Versions<V> {
  readonly current: ReadonlyMap<number, V>;
  /** Sum of `bytesOf` over all values, those of earlier and undone versions included. */
  readonly bytes: number;
  set(key: number, value: V): void;
  /** Deletes a value. `undo` does not restore it. */
  evict(key: number): void;
  /** Starts a version, and discards undone ones. */
  checkpoint(): void;
  readonly undoDepth: number;
  readonly redoDepth: number;
  /** @returns the keys that were restored. @throws RangeError without a checkpoint */
  undo(): Change<V>[];
  /** @returns as `undo`. @throws RangeError when no version is undone */
  redo(): Change<V>[];
  /** Memory of the keys of all versions; a part of `bytes`. */
  readonly keyBytes: number;
  /**
   * Drops the values of the oldest version that has some. `undo` then deletes the keys of this version instead of restoring
   * their values.
   * @returns false when no version has values
   */
  thinOldest(): boolean;
  /** Drops the oldest version, after which `undo` goes back one version less. @returns false when there is none */
  dropOldest(): boolean;
  clear(): void;
}

/** The value of a key before and after `undo` or `redo`; undefined: none. */
export interface Change<V> {
  key: number;
  before: V | undefined;
  after: V | undefined;
}

/** The values that the keys changed since a checkpoint had at that time; undefined: none. */
type Version<V> = Map<number, V | undefined>;

export interface VersionsOptions<V> {
  /** Beyond it, a checkpoint drops the oldest version. */
  maxVersions: number;
  bytesOf(value: V): number;
}

/** Memory of a key in a version. */
const KEY_BYTES = 50;

export function createVersions<V>({ maxVersions, bytesOf }: VersionsOptions<V>): Versions<V> {
  const current = new Map<number, V>();
  /** Oldest first; the last one receives the replaced values. */
  let done: Version<V>[] = [];
  /** The last one is that of the latest `undo`. */
  let undone: Version<V>[] = [];
  let bytes = 0;

  const sizeOf = (value: V | undefined) => (value === undefined ? 0 : bytesOf(value));

  function discard(versions: readonly Version<V>[]): void {
    for (const version of versions) for (const value of version.values()) bytes -= KEY_BYTES + sizeOf(value);
  }

  /** The bytes of a value that a version keeps are not subtracted. */
  function keep(key: number): boolean {
    const version = done.at(-1);
    if (!version || version.has(key)) return false;
    version.set(key, current.get(key));
    bytes += KEY_BYTES;
    return true;
  }

  function put(key: number, value: V | undefined): void {
    if (value === undefined) current.delete(key);
    else current.set(key, value);
  }

  /** Exchanges the values of a version with the current ones. The sum of bytes stays. */
  function exchange(from: Version<V>[], to: Version<V>[], what: string): Change<V>[] {
    const version = from.pop();
    if (!version) throw new RangeError(`There is nothing to ${what}.`);
    const replaced: Version<V> = new Map();
    for (const [key, value] of version) {
      replaced.set(key, current.get(key));
      put(key, value);
    }
    to.push(replaced);
    return [...version].map(([key, after]) => ({ key, before: replaced.get(key), after }));
  }

  return {
    current,
    get bytes() {
      return bytes;
    },
    set(key, value) {
      if (!keep(key)) bytes -= sizeOf(current.get(key));
      current.set(key, value);
      bytes += bytesOf(value);
    },
    evict(key) {
      bytes -= sizeOf(current.get(key));
      current.delete(key);
    },
    checkpoint() {
      discard(undone);
      undone = [];
      done.push(new Map());
      if (done.length > maxVersions) discard(done.splice(0, done.length - maxVersions));
    },
    get undoDepth() {
      return done.length;
    },
    get redoDepth() {
      return undone.length;
    },
    undo: () => exchange(done, undone, "undo"),
    redo: () => exchange(undone, done, "redo"),
    get keyBytes() {
      return [...done, ...undone].reduce((sum, version) => sum + version.size * KEY_BYTES, 0);
    },
    thinOldest() {
      const hasValues = (version: Version<V>) => [...version.values()].some((value) => value !== undefined);
      const version = [...done, ...undone].find(hasValues);
      if (!version) return false;
      for (const [key, value] of version) {
        bytes -= sizeOf(value);
        version.set(key, undefined);
      }
      return true;
    },
    dropOldest() {
      // The version that `redo` would restore last is the one farthest from now.
      const version = done.shift() ?? undone.shift();
      if (!version) return false;
      discard([version]);
      return true;
    },
    clear() {
      current.clear();
      done = [];
      undone = [];
      bytes = 0;
    },
  };
}
