/**
 * What one object remembers. Conditioning memories come from a prompt or a detection and stay; recent memories come from
 * tracking and are a bounded window around the frame that was remembered last. Pointers are small, so their window is
 * longer than that of the spatial memories.
 */

/**
 * Where a memory comes from, which decides how long it stays:
 * `prompted`, the user's clicks, box or mask; `born`, the detection that made the object; `reconditioned`, a later
 * detection that the track was corrected with; `recent`, a tracked frame.
 */
export type MemoryKind = "prompted" | "born" | "reconditioned" | "recent";

export interface MemoryEntry {
  frameIndex: number;
  kind: MemoryKind;
  /** float32 [T, Dm], as `remember` gave it */
  memory: Float32Array;
  /** float32 [D] */
  pointer: Float32Array;
  /** float32 [m, m]: the object's mask on that frame */
  maskLogits: Float32Array;
  /** Object score logit; above 0 the object is there. */
  score: number;
  /** Whether the object was seen on that frame. */
  present: boolean;
}

export type PointerEntry = Pick<MemoryEntry, "frameIndex" | "pointer">;

export interface BankLimits {
  /** Spatial memories of tracked frames. */
  recent: number;
  /** Pointers of tracked frames. */
  pointers: number;
  /** Conditioning memories of every kind. */
  conditioning: number;
  /** Conditioning memories of the kind `reconditioned`. */
  reconditioned: number;
}

export interface MemoryBank {
  /** In the order in which they were added. */
  readonly conditioning: readonly MemoryEntry[];
  readonly recent: readonly MemoryEntry[];
  readonly pointers: readonly PointerEntry[];
  /** Adds a memory, replacing what was known of its frame and letting go of what the limits leave no room for. */
  add(entry: MemoryEntry): void;
  /** The memory of one frame. */
  at(frameIndex: number): MemoryEntry | undefined;
  /** The memory closest in time; the earlier one when two are equally close. */
  nearest(frameIndex: number): MemoryEntry | undefined;
  /** Forgets tracked frames up to `distance` away from a frame. */
  clearAround(frameIndex: number, distance: number): void;
  /** Forgets detector-made conditioning memories up to `distance` away from a frame, but never the last memory. */
  demoteAround(frameIndex: number, distance: number): void;
  /** Keeps as little as the object can be found again with: its prompts, or else its first conditioning memory. */
  condense(): void;
}

export function createMemoryBank(limits: BankLimits): MemoryBank {
  let conditioning: MemoryEntry[] = [];
  let recent: MemoryEntry[] = [];
  let pointers: PointerEntry[] = [];

  const elsewhere = (frameIndex: number) => (entry: { frameIndex: number }) =>
    entry.frameIndex !== frameIndex;

  return {
    get conditioning() {
      return conditioning;
    },
    get recent() {
      return recent;
    },
    get pointers() {
      return pointers;
    },
    add(entry) {
      const { frameIndex, kind, pointer } = entry;
      conditioning = conditioning.filter(elsewhere(frameIndex));
      recent = recent.filter(elsewhere(frameIndex));
      pointers = pointers.filter(elsewhere(frameIndex));
      if (kind === "recent") {
        recent = keepNearest([...recent, entry], frameIndex, limits.recent);
        pointers = keepNearest([...pointers, { frameIndex, pointer }], frameIndex, limits.pointers);
      } else {
        conditioning = trimConditioning([...conditioning, entry], limits);
      }
    },
    at(frameIndex) {
      const same = (entry: MemoryEntry) => entry.frameIndex === frameIndex;
      return conditioning.find(same) ?? recent.find(same);
    },
    nearest(frameIndex) {
      const gap = (entry: MemoryEntry) => Math.abs(entry.frameIndex - frameIndex);
      return [...conditioning, ...recent].sort((a, b) => gap(a) - gap(b) || a.frameIndex - b.frameIndex)[0];
    },
    clearAround(frameIndex, distance) {
      const far = (entry: { frameIndex: number }) => Math.abs(entry.frameIndex - frameIndex) > distance;
      recent = recent.filter(far);
      pointers = pointers.filter(far);
    },
    demoteAround(frameIndex, distance) {
      const kept = conditioning.filter(
        (entry) => entry.kind === "prompted" || Math.abs(entry.frameIndex - frameIndex) > distance,
      );
      if (kept.length > 0) conditioning = kept;
    },
    condense() {
      recent = [];
      pointers = [];
      const prompted = conditioning.filter((entry) => entry.kind === "prompted");
      conditioning = prompted.length > 0 ? prompted : conditioning.slice(0, 1);
    },
  };
}

/** Lets go of the entries farthest from a frame; of two equally far ones, the one added first. */
function keepNearest<E extends { frameIndex: number }>(entries: E[], frameIndex: number, limit: number): E[] {
  const kept = [...entries];
  while (kept.length > limit) {
    let farthest = 0;
    kept.forEach((entry, index) => {
      const gap = Math.abs(entry.frameIndex - frameIndex);
      if (gap > Math.abs((kept[farthest] as E).frameIndex - frameIndex)) farthest = index;
    });
    kept.splice(farthest, 1);
  }
  return kept;
}

/**
 * Corrections by the detector go first, oldest first. Then the oldest of the rest, except that the first memory stays:
 * it is the one that says which thing this is.
 */
function trimConditioning(entries: MemoryEntry[], limits: BankLimits): MemoryEntry[] {
  const kept = [...entries];
  const isCorrection = (entry: MemoryEntry) => entry.kind === "reconditioned";
  while (kept.filter(isCorrection).length > limits.reconditioned)
    kept.splice(kept.findIndex(isCorrection), 1);
  while (kept.length > Math.max(limits.conditioning, 1)) {
    const correction = kept.findIndex(isCorrection);
    kept.splice(correction >= 0 ? correction : Math.min(1, kept.length - 1), 1);
  }
  return kept;
}
