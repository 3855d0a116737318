/** The results of frames: masks of recent ones in memory, others fetched again from the server on need. */
import { type ReadonlySignal, signal } from "@preact/signals";
import { bytesOf, type FrameResult } from "./frame-result.js";
import { createFrameStates, type FrameStates } from "./frame-states.js";

export interface ResultStore {
  /** Grows with every change. */
  readonly version: ReadonlySignal<number>;
  /** Undefined: not computed, or not in memory. `load` fetches it. */
  get(frame: number): FrameResult | undefined;
  /** Whether the frame may have results on the server that are not in memory. */
  isMissing(frame: number): boolean;
  /** Fetches the stored results of the frames that are missing. Rejects with a `MaskletError`. */
  load(first: number, last: number): Promise<void>;
  put(result: FrameResult): void;
  /** Fetches the frames that were never read, as in a reopened session, or not since `invalidate`. Rejects with a `MaskletError`. */
  loadUnknown(): Promise<void>;
  /** Stored results of any frame may have changed on the server, as after `undo`. The old ones stay until they are fetched. */
  invalidate(): void;
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
  /** Whether frames may have results already: not in a new session. */
  mayHaveResults: boolean;
  maxBytes?: number;
}

const UNKNOWN = 0;
const COMPUTED = 1;
const NONE = 2;

const MAX_BYTES = 64 * 2 ** 20;
/** Frames of one request for stored results. */
const FRAMES_PER_LOAD = 64;

export function createResultStore(options: ResultStoreOptions): ResultStore {
  const { numFrames, fetchStored, maxBytes = MAX_BYTES } = options;
  const version = signal(0);
  const states = createFrameStates(numFrames);
  /** In order of use, the latest last. */
  const results = new Map<number, FrameResult>();
  const knowledge = new Uint8Array(numFrames).fill(options.mayHaveResults ? UNKNOWN : NONE);
  const loading = new Map<number, Promise<void>>();
  let bytes = 0;
  /** Grows when what is being fetched is out of date. */
  let generation = 0;

  const grow = () => {
    version.value = version.peek() + 1;
  };

  function drop(frame: number): void {
    const old = results.get(frame);
    if (!old) return;
    results.delete(frame);
    bytes -= bytesOf(old);
  }

  function put(result: FrameResult): void {
    drop(result.frame);
    results.set(result.frame, result);
    bytes += bytesOf(result);
    knowledge[result.frame] = COMPUTED;
    states.set(result);
    for (const frame of results.keys()) {
      if (bytes <= maxBytes || frame === result.frame) break;
      drop(frame);
    }
    grow();
  }

  const isUnknown = (frame: number) => knowledge[frame] === UNKNOWN;
  const isMissing = (frame: number) =>
    isUnknown(frame) || (knowledge[frame] === COMPUTED && !results.has(frame));

  function loadBlock(block: number): Promise<void> {
    const running = loading.get(block);
    if (running) return running;
    const first = block * FRAMES_PER_LOAD;
    const last = Math.min(numFrames, first + FRAMES_PER_LOAD) - 1;
    const started = generation;
    const work = (async () => {
      const found = new Set<number>();
      for await (const result of fetchStored(first, last)) {
        if (generation !== started) continue;
        found.add(result.frame);
        // A frame that arrived meanwhile is newer.
        if (isMissing(result.frame)) put(result);
      }
      if (generation !== started) return;
      for (let frame = first; frame <= last; frame++) {
        if (found.has(frame) || !isMissing(frame)) continue;
        drop(frame);
        knowledge[frame] = NONE;
        states.clearFrame(frame);
      }
      grow();
    })().finally(() => {
      if (loading.get(block) === work) loading.delete(block);
    });
    loading.set(block, work);
    return work;
  }

  async function loadWhere(first: number, last: number, isNeeded: (frame: number) => boolean): Promise<void> {
    for (
      let block = Math.floor(first / FRAMES_PER_LOAD);
      block <= Math.floor(last / FRAMES_PER_LOAD);
      block++
    ) {
      const end = Math.min(numFrames, (block + 1) * FRAMES_PER_LOAD);
      let needs = false;
      for (let frame = block * FRAMES_PER_LOAD; frame < end && !needs; frame++) needs = isNeeded(frame);
      if (needs) await loadBlock(block);
    }
  }

  return {
    version,
    states,
    isMissing,
    put,
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
    load: (first, last) => loadWhere(first, last, isMissing),
    loadUnknown: () => loadWhere(0, numFrames - 1, isUnknown),
    invalidate() {
      generation++;
      loading.clear();
      knowledge.fill(UNKNOWN);
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
      for (const id of ids) states.remove(id);
      grow();
    },
    clear() {
      generation++;
      loading.clear();
      results.clear();
      bytes = 0;
      knowledge.fill(NONE);
      states.clear();
      grow();
    },
  };
}
