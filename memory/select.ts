/**
 * Selects the spatial memories that condition a frame, with their temporal rows, and the object pointers, with their distance
 * in time. Pure functions.
 *
 * Source: facebookresearch/sam2:sam2/modeling/sam2_base.py; for the selection by score,
 * facebookresearch/sam3:sam3/model/sam3_tracker_base.py.
 */
import type { MemoryBank, MemoryEntry, PointerEntry } from "./bank.js";

/** The pack's memory geometry, from its manifest. */
export interface BankRules {
  /** Maximum number of conditioning memories per frame; -1: all. */
  maxConditioning: number;
  /** Maximum number of tracked memories per frame. */
  recent: number;
  /** Length of the pointer window in frames; 0: no pointers. */
  maxPointers: number;
  /** Number of rows of the model's table of temporal position encodings. */
  temporalRows: number;
  /** The row of every conditioning memory. */
  conditioningRow: number;
  /**
   * Unit of `pointer_dt`, the distance of a pointer in time: the share of the pointer window. `none`: the model has no such
   * input.
   */
  pointerTime: "dt/(max-1)" | "none";
}

export interface SelectOptions {
  /**
   * null: the k-th recent memory is that of the k-th previous frame, also when the object was not visible there (SAM 2).
   * A number: only frames on which the object was visible count, up to this many frames back, so that an occluded object
   * keeps its last good memories.
   */
  seenWithin: number | null;
  /** SAM 3's memory selection: only tracked frames with a higher score are selected, at any distance; null: off. */
  mfThreshold: number | null;
  /** Pointers of the selected conditioning frames, or of all past ones. */
  conditioningPointers: "selected" | "past";
  /**
   * Order of two conditioning frames at the same distance: the one that was added first, or the one earlier in the video.
   */
  conditioningTies: "added" | "earlier";
  /** Length of the video, which limits the pointer window; null: not known, or the window has a fixed length. */
  numFrames: number | null;
}

export interface Selection {
  /** The order has no meaning: the model distinguishes memories by `row`, the row of the temporal table. */
  memories: { entry: MemoryEntry; row: number }[];
  /** `dt` is the value of the input `pointer_dt`; 0 for packs without this input. */
  pointers: { pointer: Float32Array; dt: number }[];
}

type BankContent = Pick<MemoryBank, "conditioning" | "recent" | "pointers">;

/** The common input of the two selections of tracked frames. */
interface TrackedSearch {
  /** Distance to a past frame in the direction of travel; negative for frames that are still to come. */
  behind(entry: { frameIndex: number }): number;
  /** Conditioning memories that were not selected; they can be selected as tracked ones. */
  unselected: readonly MemoryEntry[];
  /** Maximum number of pointers, without those of conditioning frames. */
  pointerLimit: number;
}

interface TrackedSelection {
  memories: Selection["memories"];
  /** `distance` in frames; in a selection by score, the rank. */
  pointers: { pointer: Float32Array; distance: number }[];
}

/**
 * Selects the memories of an object that condition a frame.
 * @param reverse whether frames are visited from last to first; a past frame is then later in the video
 */
export function selectMemories(
  bank: BankContent,
  frameIndex: number,
  reverse: boolean,
  rules: BankRules,
  options: SelectOptions,
): Selection {
  const sign = reverse ? -1 : 1;
  const behind = (entry: { frameIndex: number }) => (frameIndex - entry.frameIndex) * sign;
  // A frame never conditions itself.
  const others = bank.conditioning.filter((entry) => entry.frameIndex !== frameIndex);
  const chosen = closestConditioning(others, frameIndex, rules.maxConditioning, options.conditioningTies);
  const unselected = others.filter((entry) => !chosen.includes(entry));
  const window = Math.min(rules.maxPointers, options.numFrames ?? rules.maxPointers);
  const search = { behind, unselected, pointerLimit: Math.max(window - 1, 0) };
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

/** Selects the previous frames, or with `seenWithin` those on which the object was visible. */
function selectByAge(
  bank: BankContent,
  rules: BankRules,
  { seenWithin, conditioningPointers }: SelectOptions,
  { behind, unselected, pointerLimit }: TrackedSearch,
): TrackedSelection {
  const memories: Selection["memories"] = [];
  const passed = [...bank.recent, ...unselected]
    .filter((entry) => behind(entry) > 0)
    .sort((a, b) => behind(a) - behind(b));
  for (const entry of passed) {
    if (seenWithin === null) {
      if (behind(entry) <= rules.recent) memories.push({ entry, row: behind(entry) - 1 });
    } else if (memories.length < rules.recent && behind(entry) <= seenWithin && entry.present) {
      memories.push({ entry, row: memories.length });
    }
  }
  // With `past`, the pointers of the unselected conditioning frames are already in the result.
  const candidates = conditioningPointers === "past" ? bank.pointers : [...bank.pointers, ...unselected];
  const pointers = candidates
    .filter((entry) => behind(entry) > 0 && behind(entry) <= pointerLimit)
    .map((entry) => ({ pointer: entry.pointer, distance: behind(entry) }));
  return { memories, pointers };
}

/** Selects past frames by score. Rows and distances are ranks instead of frame distances. */
function selectByScore(
  bank: BankContent,
  frameIndex: number,
  reverse: boolean,
  rules: BankRules,
  mfThreshold: number,
  { unselected, pointerLimit }: TrackedSearch,
): TrackedSelection {
  const frames = framesByScore(bank.pointers, frameIndex, reverse, pointerLimit, mfThreshold).reverse();
  const memories: Selection["memories"] = [];
  const pointers: TrackedSelection["pointers"] = [];
  frames.forEach((frame, index) => {
    const at = (entry: { frameIndex: number }) => entry.frameIndex === frame;
    const entry = bank.recent.find(at) ?? unselected.find(at);
    if (entry && index < rules.recent) memories.push({ entry, row: index });
    const rank = index + 1;
    const source = bank.pointers.find(at) ?? unselected.find(at);
    // As in SAM 3, the pointer of the oldest frame is not used (off by one).
    if (source && rank <= pointerLimit && rank < frames.length)
      pointers.push({ pointer: source.pointer, distance: rank });
  });
  return { memories, pointers };
}

/**
 * SAM 3's list of tracked frames that can condition a frame: those with a score above the threshold, and always the previous
 * frame. As in SAM 3, a forward pass ignores frame 0, and selects no frame for frame 0.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_tracker_base.py.
 * @returns frame indices, farthest first
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
 * Selects at most `limit` conditioning frames: the closest one before the frame, the closest one from the frame on, then the
 * others by distance.
 * @param limit -1: all
 * @param ties order of two frames at the same distance; `added` is the order of `entries`
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
