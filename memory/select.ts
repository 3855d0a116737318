/**
 * Selects the memories that condition a frame, with their temporal rows, and the pointers, with their distance in time.
 * Pure functions: SAM 2's rule, and as an option SAM 3's preference for frames on which the object is visible.
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
  /** The distance of a pointer as an input of the model: as a share of the pointer window, or no such input. */
  pointerTime: "dt/(max-1)" | "none";
}

export interface SelectOptions {
  /**
   * null: the k-th recent memory is the one k frames back, whatever it shows (SAM 2).
   * A number: it is the k-th frame back on which the object was visible, at most so many frames back, so an occluded object
   * keeps its last good memories.
   */
  seenWithin: number | null;
  /** SAM 3's memory selection: only tracked frames that scored more count, however far back; null: off. */
  mfThreshold: number | null;
  /** Pointers of the conditioning frames that were selected, or of all that lie behind. */
  conditioningPointers: "selected" | "past";
  /** Of two conditioning frames equally far away, the one that was added first, or the earlier in the video. */
  conditioningTies: "added" | "earlier";
  /** Frames of the video, which a pointer window longer than it shrinks to; null: unknown, or the window is fixed. */
  numFrames: number | null;
}

export interface Selection {
  /** In no particular order: the model tells them apart by `row`. */
  memories: { entry: MemoryEntry; row: number }[];
  /** `dt` is what the model is fed; 0 for packs without pointer time. */
  pointers: { pointer: Float32Array; dt: number }[];
}

type Remembered = Pick<MemoryBank, "conditioning" | "recent" | "pointers">;

/** What both ways of choosing tracked frames go by. */
interface Search {
  /** Frames behind in the direction of travel; negative for frames still to come. */
  behind(entry: { frameIndex: number }): number;
  /** Conditioning memories that were not selected: they may stand in for tracked ones. */
  spare: readonly MemoryEntry[];
  /** Pointers at most, conditioning frames not counted. */
  pointerLimit: number;
}

interface Tracked {
  memories: Selection["memories"];
  /** How far back each counts as being, in frames. */
  pointers: { pointer: Float32Array; distance: number }[];
}

/**
 * @param reverse whether frames are visited from last to first; "behind" then means later in the video
 */
export function selectMemories(
  bank: Remembered,
  frameIndex: number,
  reverse: boolean,
  rules: BankRules,
  options: SelectOptions,
): Selection {
  const sign = reverse ? -1 : 1;
  const behind = (entry: { frameIndex: number }) => (frameIndex - entry.frameIndex) * sign;
  // A frame is never conditioned by itself.
  const others = bank.conditioning.filter((entry) => entry.frameIndex !== frameIndex);
  const chosen = closestConditioning(others, frameIndex, rules.maxConditioning, options.conditioningTies);
  const spare = others.filter((entry) => !chosen.includes(entry));
  const window = Math.min(rules.maxPointers, options.numFrames ?? rules.maxPointers);
  const search = { behind, spare, pointerLimit: Math.max(window - 1, 0) };
  const tracked =
    options.mfThreshold === null
      ? selectByAge(bank, rules, options, search)
      : selectByScore(bank, frameIndex, reverse, rules, options.mfThreshold, search);

  const conditioning = options.conditioningPointers === "past" ? others : chosen;
  const given = conditioning
    .filter((entry) => behind(entry) >= 0)
    .map((entry) => ({ pointer: entry.pointer, distance: behind(entry) }));
  const pointers = rules.maxPointers === 0 ? [] : [...given, ...tracked.pointers];
  const unit = Math.max(window - 1, 1);
  return {
    memories: [...chosen.map((entry) => ({ entry, row: rules.conditioningRow })), ...tracked.memories],
    pointers: pointers.map(({ pointer, distance }) => ({
      pointer,
      dt: rules.pointerTime === "none" ? 0 : distance / unit,
    })),
  };
}

/** The frames right behind, or those of them on which the object was seen. */
function selectByAge(
  bank: Remembered,
  rules: BankRules,
  { seenWithin, conditioningPointers }: SelectOptions,
  { behind, spare, pointerLimit }: Search,
): Tracked {
  const memories: Selection["memories"] = [];
  const passed = [...bank.recent, ...spare]
    .filter((entry) => behind(entry) > 0)
    .sort((a, b) => behind(a) - behind(b));
  for (const entry of passed) {
    if (seenWithin === null) {
      if (behind(entry) <= rules.recent) memories.push({ entry, row: behind(entry) - 1 });
    } else if (memories.length < rules.recent && behind(entry) <= seenWithin && entry.present) {
      memories.push({ entry, row: memories.length });
    }
  }
  // With `past`, the pointers of the spare ones are selected already.
  const candidates = conditioningPointers === "past" ? bank.pointers : [...bank.pointers, ...spare];
  const pointers = candidates
    .filter((entry) => behind(entry) > 0 && behind(entry) <= pointerLimit)
    .map((entry) => ({ pointer: entry.pointer, distance: behind(entry) }));
  return { memories, pointers };
}

/** The best frames behind, numbered by rank instead of age. */
function selectByScore(
  bank: Remembered,
  frameIndex: number,
  reverse: boolean,
  rules: BankRules,
  mfThreshold: number,
  { spare, pointerLimit }: Search,
): Tracked {
  const frames = framesByScore(bank.pointers, frameIndex, reverse, pointerLimit, mfThreshold).reverse();
  const memories: Selection["memories"] = [];
  const pointers: Tracked["pointers"] = [];
  frames.forEach((frame, index) => {
    const at = (entry: { frameIndex: number }) => entry.frameIndex === frame;
    const entry = bank.recent.find(at) ?? spare.find(at);
    if (entry && index < rules.recent) memories.push({ entry, row: index });
    const rank = index + 1;
    const source = bank.pointers.find(at) ?? spare.find(at);
    // The reference skips the oldest frame's pointer (off by one).
    if (source && rank <= pointerLimit && rank < frames.length)
      pointers.push({ pointer: source.pointer, distance: rank });
  });
  return { memories, pointers };
}

/**
 * SAM 3's list of tracked frames that may condition a frame (facebookresearch/sam3:sam3/model/sam3_tracker_base.py): those
 * with a score above the threshold, and always the one right before. As there, a forward pass ignores frame 0 and selects
 * nothing for it.
 * @returns farthest first
 */
export function framesByScore(
  tracked: readonly Pick<PointerEntry, "frameIndex" | "trackScore">[],
  frameIndex: number,
  reverse: boolean,
  limit: number,
  mfThreshold: number,
): number[] {
  const sign = reverse ? -1 : 1;
  if (!reverse && frameIndex === 0) return [];
  const scored = tracked
    .filter((entry) => (frameIndex - entry.frameIndex) * sign > 0 && (reverse || entry.frameIndex > 0))
    .filter(({ trackScore }) => trackScore !== undefined && trackScore > mfThreshold)
    .map((entry) => entry.frameIndex)
    .sort((a, b) => (b - a) * sign)
    .slice(0, limit)
    .reverse();
  const neighbour = frameIndex - sign;
  return scored.includes(neighbour) ? scored : [...scored, neighbour];
}

/**
 * At most `limit` entries: the closest before the frame, the closest after it, then the others by distance; of two
 * equally far ones the earlier, or the one that comes first among the entries.
 * @param limit -1 for all
 */
export function closestConditioning<E extends { frameIndex: number }>(
  entries: readonly E[],
  frameIndex: number,
  limit: number,
  ties: SelectOptions["conditioningTies"] = "earlier",
): E[] {
  if (limit < 0 || entries.length <= limit) return [...entries];
  const gap = (entry: E) => Math.abs(entry.frameIndex - frameIndex);
  const inTie = (a: E, b: E) => (ties === "earlier" ? a.frameIndex - b.frameIndex : 0);
  const sorted = [...entries].sort((a, b) => gap(a) - gap(b) || inTie(a, b));
  const before = sorted.find((entry) => entry.frameIndex < frameIndex);
  const after = sorted.find((entry) => entry.frameIndex >= frameIndex);
  const first = [before, after].filter((entry) => entry !== undefined);
  return [...first, ...sorted.filter((entry) => !first.includes(entry))].slice(0, limit);
}
