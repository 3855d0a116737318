/**
 * Which memories condition a frame, with which temporal rows, and which pointers with which distance in time.
 * Pure: SAM 2's rule, with SAM 3's preference for frames on which the object was seen as an option.
 */
import type { MemoryBank, MemoryEntry, PointerEntry } from "./bank.js";

/** The pack's memory geometry, from its manifest. */
export interface BankRules {
  /** Conditioning memories that are used at once; -1 means all. */
  maxConditioning: number;
  /** Tracked memories that are used at once. */
  recent: number;
  maxPointers: number;
  /** Rows of the model's temporal table. */
  temporalRows: number;
  /** The row of every conditioning memory. */
  conditioningRow: number;
  /** How far a pointer is away: as a share of the pointer window, or not told to the model at all. */
  pointerTime: "dt/(max-1)" | "none";
}

export interface SelectOptions {
  /**
   * null: the k-th recent memory is the one k frames back, whatever it shows (SAM 2).
   * A number: it is the k-th frame back on which the object was seen, looking back at most so many frames (SAM 3's
   * memory selection), so an object behind an obstacle keeps its last good looks.
   */
  seenWithin: number | null;
}

export interface Selection {
  /** In no particular order: the model tells them apart by `row`. */
  memories: { entry: MemoryEntry; row: number }[];
  /** `dt` is what the model is fed; 0 for packs without pointer time. */
  pointers: { pointer: Float32Array; dt: number }[];
}

type Remembered = Pick<MemoryBank, "conditioning" | "recent" | "pointers">;

/**
 * @param reverse whether frames are visited from last to first; "behind" then means later in the video
 */
export function selectMemories(
  bank: Remembered,
  frameIndex: number,
  reverse: boolean,
  rules: BankRules,
  { seenWithin }: SelectOptions,
): Selection {
  const sign = reverse ? -1 : 1;
  const behind = (entry: { frameIndex: number }) => (frameIndex - entry.frameIndex) * sign;
  // A frame is never conditioned by itself.
  const others = bank.conditioning.filter((entry) => entry.frameIndex !== frameIndex);
  const chosen = closestConditioning(others, frameIndex, rules.maxConditioning);
  const spare = others.filter((entry) => !chosen.includes(entry));

  const recent: { entry: MemoryEntry; row: number }[] = [];
  const passed = [...bank.recent, ...spare]
    .filter((entry) => behind(entry) > 0)
    .sort((a, b) => behind(a) - behind(b));
  for (const entry of passed) {
    if (seenWithin === null) {
      if (behind(entry) <= rules.recent) recent.push({ entry, row: behind(entry) - 1 });
    } else if (recent.length < rules.recent && behind(entry) <= seenWithin && entry.present) {
      recent.push({ entry, row: recent.length });
    }
  }

  const window = Math.max(rules.maxPointers - 1, 1);
  const dt = (entry: PointerEntry) => (rules.pointerTime === "none" ? 0 : behind(entry) / window);
  const pointers =
    rules.maxPointers === 0
      ? []
      : [
          ...chosen.filter((entry) => behind(entry) >= 0),
          ...[...bank.pointers, ...spare].filter(
            (entry) => behind(entry) > 0 && behind(entry) < rules.maxPointers,
          ),
        ];
  return {
    memories: [...chosen.map((entry) => ({ entry, row: rules.conditioningRow })), ...recent],
    pointers: pointers.map((entry) => ({ pointer: entry.pointer, dt: dt(entry) })),
  };
}

/**
 * At most `limit` entries: the closest before the frame, the closest after it, then the others by distance; of two
 * equally far ones the earlier.
 * @param limit -1 for all
 */
export function closestConditioning<E extends { frameIndex: number }>(
  entries: readonly E[],
  frameIndex: number,
  limit: number,
): E[] {
  if (limit < 0 || entries.length <= limit) return [...entries];
  const gap = (entry: E) => Math.abs(entry.frameIndex - frameIndex);
  const sorted = [...entries].sort((a, b) => gap(a) - gap(b) || a.frameIndex - b.frameIndex);
  const before = sorted.find((entry) => entry.frameIndex < frameIndex);
  const after = sorted.find((entry) => entry.frameIndex >= frameIndex);
  const first = [before, after].filter((entry) => entry !== undefined);
  return [...first, ...sorted.filter((entry) => !first.includes(entry))].slice(0, limit);
}
