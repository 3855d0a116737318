/** The results of frames: masks of recent ones in memory, others fetched again from the server on need. */
import { type ReadonlySignal, signal } from "@preact/signals";
import { type Change, groupChanges } from "./changes.js";
import { bytesOf, type FrameResult, withHeldMasks } from "./frame-result.js";
import { createFrameStates, type FrameStates } from "./frame-states.js";

export interface ResultStore {
  /** Grows with every change. */
  readonly version: ReadonlySignal<number>;
  /** Undefined: not computed, or not in memory. `load` fetches it. */
  get(frame: number): FrameResult | undefined;
  /** The results in memory, the latest used first. */
  held(): Iterable<FrameResult>;
  /** Whether the frame may have results on the server that are not in memory. */
  isMissing(frame: number): boolean;
  /** Fetches the stored results of the frames that are missing. Rejects with a `MaskletError`. */
  load(first: number, last: number): Promise<void>;
  put(result: FrameResult): void;
  /**
   * Reads the states of what `invalidate` reported, and of all frames in a reopened session: without masks, and only of the
   * objects that changed. Rejects with a `MaskletError`.
   */
  readStates(): Promise<void>;
  /**
   * Stored results changed on the server, as after `undo`. The old masks stay until new ones are fetched.
   * @param changes default: all objects on all frames
   */
  invalidate(changes?: readonly Change[]): void;
  /** Objects that no longer exist. */
  removeObjects(ids: readonly number[]): void;
  /** After `reset_session`: no frame has results. */
  clear(): void;
  readonly states: FrameStates;
  /** Bytes of masks in memory, at most `maxBytes`. */
  readonly bytes: number;
}

export interface ResultStoreOptions {
  numFrames: number;
  /** Stored results of a range, in any order; frames without any are left out. */
  fetchStored(first: number, last: number): AsyncIterable<FrameResult>;
  /** The same without masks. @param objectIds only these objects; undefined: all */
  fetchStates(
    first: number,
    last: number,
    objectIds: readonly number[] | undefined,
  ): AsyncIterable<FrameResult>;
  /** Whether the session has the object. */
  hasObject(objectId: number): boolean;
  /** Whether frames may have results already: not in a new session. */
  mayHaveResults: boolean;
  maxBytes?: number;
}

/** What is known of a frame. `OUTDATED`: the masks in memory, if any, are no longer those of the server. */
const UNKNOWN = 0;
const COMPUTED = 1;
const NONE = 2;
const OUTDATED = 3;

const MAX_BYTES = 64 * 2 ** 20;
/** Frames of one request for masks. */
const FRAMES_PER_LOAD = 16;
/** The lanes are drawn again after so many frames of a long answer. */
const STATES_PER_VERSION = 64;

export function createResultStore(options: ResultStoreOptions): ResultStore {
  const { numFrames, fetchStored, fetchStates, mayHaveResults, maxBytes = MAX_BYTES } = options;
  const version = signal(0);
  const states = createFrameStates(numFrames);
  /** In order of use, the latest last. */
  const results = new Map<number, FrameResult>();
  const knowledge = new Uint8Array(numFrames).fill(mayHaveResults ? UNKNOWN : NONE);
  const loading = new Map<number, Promise<void>>();
  /** Counts the changes. What was requested before the last change of its frame is out of date. */
  let clock = 0;
  const changedAt = new Uint32Array(numFrames);
  const everything: readonly Change[] = [{ objectId: null, first: 0, last: numFrames - 1 }];
  let unread = mayHaveResults ? everything : [];
  let reading: Promise<void> = Promise.resolve();
  let bytes = 0;

  const grow = () => {
    version.value = version.peek() + 1;
  };

  function drop(frame: number): void {
    const old = results.get(frame);
    if (!old) return;
    results.delete(frame);
    bytes -= bytesOf(old);
  }

  function hold(fresh: FrameResult): void {
    const result = withHeldMasks(fresh, results.get(fresh.frame));
    drop(result.frame);
    results.set(result.frame, result);
    bytes += bytesOf(result);
    knowledge[result.frame] = COMPUTED;
    states.set(result);
    for (const frame of results.keys()) {
      if (bytes <= maxBytes || frame === result.frame) break;
      drop(frame);
    }
  }

  const isMissing = (frame: number) =>
    knowledge[frame] === UNKNOWN ||
    knowledge[frame] === OUTDATED ||
    (knowledge[frame] === COMPUTED && !results.has(frame));

  function setNone(frame: number): void {
    drop(frame);
    knowledge[frame] = NONE;
    states.clearFrame(frame);
  }

  function loadBlock(block: number): Promise<void> {
    const running = loading.get(block);
    if (running) return running;
    const first = block * FRAMES_PER_LOAD;
    const last = Math.min(numFrames, first + FRAMES_PER_LOAD) - 1;
    const started = clock;
    const isCurrent = (frame: number) => (changedAt[frame] as number) <= started;
    const work = (async () => {
      const found = new Set<number>();
      for await (const result of fetchStored(first, last)) {
        found.add(result.frame);
        if (!isCurrent(result.frame) || !isMissing(result.frame)) continue;
        hold(result);
        grow();
      }
      for (let frame = first; frame <= last; frame++)
        if (!found.has(frame) && isCurrent(frame) && isMissing(frame)) setNone(frame);
      grow();
    })().finally(() => {
      if (loading.get(block) === work) loading.delete(block);
    });
    loading.set(block, work);
    return work;
  }

  async function readRange(
    first: number,
    last: number,
    objectIds: readonly number[] | undefined,
  ): Promise<void> {
    const started = clock;
    const isCurrent = (frame: number) => (changedAt[frame] as number) <= started;
    const found = new Uint8Array(last - first + 1);
    let read = 0;
    for await (const result of fetchStates(first, last, objectIds)) {
      const { frame } = result;
      found[frame - first] = 1;
      if (!isCurrent(frame)) continue;
      states.set(result, objectIds);
      if (knowledge[frame] === UNKNOWN || knowledge[frame] === NONE) knowledge[frame] = COMPUTED;
      if (++read % STATES_PER_VERSION === 0) grow();
    }
    for (let frame = first; frame <= last; frame++)
      if (found[frame - first] === 0 && isCurrent(frame)) setNone(frame);
    grow();
  }

  async function readUnread(): Promise<void> {
    const changes = unread.filter(({ objectId }) => objectId === null || options.hasObject(objectId));
    unread = [];
    const groups = groupChanges(changes);
    try {
      for (const { first, last, objectIds } of groups) await readRange(first, last, objectIds);
    } catch (error) {
      // They are read with the next request.
      unread = [...changes, ...unread];
      throw error;
    }
  }

  return {
    version,
    states,
    isMissing,
    held: () => [...results.values()].reverse(),
    put(result) {
      changedAt[result.frame] = ++clock;
      hold(result);
      grow();
    },
    get bytes() {
      return bytes;
    },
    get(frame) {
      const result = results.get(frame);
      if (result) {
        results.delete(frame);
        results.set(frame, result);
      }
      return result;
    },
    async load(first, last) {
      const lastBlock = Math.floor(last / FRAMES_PER_LOAD);
      for (let block = Math.floor(first / FRAMES_PER_LOAD); block <= lastBlock; block++) {
        const start = Math.max(first, block * FRAMES_PER_LOAD);
        const end = Math.min(last, (block + 1) * FRAMES_PER_LOAD - 1);
        let needs = false;
        for (let frame = start; frame <= end && !needs; frame++) needs = isMissing(frame);
        if (needs) await loadBlock(block);
      }
    },
    readStates() {
      const next = reading.then(readUnread, readUnread);
      reading = next.catch(() => {});
      return next;
    },
    invalidate(changes = everything) {
      clock++;
      for (const { first, last } of changes) {
        changedAt.fill(clock, first, last + 1);
        for (let frame = first; frame <= last; frame++) knowledge[frame] = OUTDATED;
        for (let block = Math.floor(first / FRAMES_PER_LOAD); block * FRAMES_PER_LOAD <= last; block++)
          loading.delete(block);
      }
      unread = [...unread, ...changes];
      grow();
    },
    removeObjects(ids) {
      const gone = new Set(ids);
      for (const [frame, result] of results) {
        if (
          !result.objects.some(({ id }) => gone.has(id)) &&
          !result.states.some(({ obj_id }) => gone.has(obj_id))
        )
          continue;
        const left = {
          ...result,
          objects: result.objects.filter(({ id }) => !gone.has(id)),
          states: result.states.filter(({ obj_id }) => !gone.has(obj_id)),
        };
        bytes += bytesOf(left) - bytesOf(result);
        results.set(frame, left);
      }
      unread = unread.filter(({ objectId }) => objectId === null || !gone.has(objectId));
      for (const id of ids) states.remove(id);
      grow();
    },
    clear() {
      changedAt.fill(++clock);
      loading.clear();
      results.clear();
      unread = [];
      bytes = 0;
      knowledge.fill(NONE);
      states.clear();
      grow();
    },
  };
}
