/**
 * The memory bank of one object. Conditioning memories come from a prompt or a detection and stay. Recent memories come
 * from tracking and form a bounded window around the last remembered frame. Pointers are small, so their window is longer
 * than that of the spatial memories.
 */

/**
 * The origin of a memory, which decides how long it stays: `prompted`, the user's clicks or box; `born`, the detection that
 * created the object; `reconditioned`, a later detection that corrected the track; `recent`, a tracked frame.
 */
export type MemoryKind = "prompted" | "born" | "reconditioned" | "recent";

/** Never changed in place: see {@link MemoryBank.amend}. */
export interface MemoryEntry {
  readonly frameIndex: number;
  readonly kind: MemoryKind;
  /** float32 [T, Dm]: the output of `remember`. */
  readonly memory: Float32Array;
  /** float32 [D] */
  readonly pointer: Float32Array;
  /** float32 [m, m]: the object's mask on that frame. */
  readonly maskLogits: Float32Array;
  /** Object score logit; above 0 the object is present. */
  readonly score: number;
  /** Whether the object is visible on that frame. */
  readonly present: boolean;
  /** Quality of a tracked frame as a memory, 0..1; absent for frames that are or were conditioning frames. */
  readonly trackScore?: number;
  /** Later clicks on the frame no longer start from its mask. */
  readonly maskSpent?: true;
}

/** The content of a bank as plain data. */
export interface BankSnapshot {
  conditioning: readonly MemoryEntry[];
  recent: readonly MemoryEntry[];
  pointers: readonly PointerEntry[];
}

export type PointerEntry = Pick<MemoryEntry, "frameIndex" | "pointer" | "trackScore">;

export interface BankLimits {
  /** Spatial memories of tracked frames. */
  recent: number;
  /** Pointers of tracked frames. */
  pointers: number;
  /** Conditioning memories of every kind. */
  conditioning: number;
  /** Conditioning memories of the kind `reconditioned`. */
  reconditioned: number;
  /** Keep the same windows around prompts and births, so that a pass in the other direction has recent memories there. */
  aroundGiven?: boolean;
  /** Tracked frames with at most this score are kept only beside the newest one. */
  minScore?: number;
}

export interface MemoryBank {
  /** In the order in which they were added. */
  readonly conditioning: readonly MemoryEntry[];
  readonly recent: readonly MemoryEntry[];
  readonly pointers: readonly PointerEntry[];
  /** Adds a memory in place of an earlier one of its frame, and drops memories beyond the limits. */
  add(entry: MemoryEntry): void;
  /**
   * Changes the memory of a frame. The old entry stays as it is: snapshots share entries with the bank.
   * @returns the new entry
   * @throws RangeError when the bank has no memory of the frame
   */
  amend(frameIndex: number, changes: Partial<Omit<MemoryEntry, "frameIndex">>): MemoryEntry;
  /** The memory of one frame. */
  at(frameIndex: number): MemoryEntry | undefined;
  /** The memory closest in time; the earlier one when two are equally close. */
  nearest(frameIndex: number): MemoryEntry | undefined;
  /** Drops tracked frames up to `distance` away from a frame. */
  clearAround(frameIndex: number, distance: number): void;
  /**
   * Demotes detector-made conditioning memories up to `distance` away from a frame, unless none would be left.
   * @param forget true: they are dropped; false: they stay as tracked frames without a score
   * @returns the frames that were demoted
   */
  demoteAround(frameIndex: number, distance: number, forget: boolean): number[];
  /** Turns the memory of a tracked frame into a conditioning memory. */
  promote(frameIndex: number, kind: Exclude<MemoryKind, "recent">): void;
  /** Turns a conditioning memory into that of a tracked frame. */
  demote(frameIndex: number): void;
  /** Later clicks up to `distance` away from a frame do not start from its mask. */
  spendMasksAround(frameIndex: number, distance: number): void;
  /** Keeps only the prompted memories, or else the first conditioning memory: enough to find the object again. */
  condense(): void;
  /** Shares entries and tensors with the bank, which changes neither in place. */
  snapshot(): BankSnapshot;
}

/** @param content what the bank contains at first; empty when absent */
export function createMemoryBank(limits: BankLimits, content?: BankSnapshot): MemoryBank {
  // The arrays are replaced on every change, never changed in place: snapshots share them.
  let conditioning: readonly MemoryEntry[] = content?.conditioning ?? [];
  let recent: readonly MemoryEntry[] = content?.recent ?? [];
  let pointers: readonly PointerEntry[] = content?.pointers ?? [];

  const elsewhere = (frameIndex: number) => (entry: { frameIndex: number }) =>
    entry.frameIndex !== frameIndex;

  function addAsTracked(entry: MemoryEntry): void {
    const { frameIndex, pointer } = entry;
    recent = [...recent, { ...entry, kind: "recent" }];
    pointers = [...pointers, { frameIndex, pointer }];
  }

  /** The tracked frames around the newest one, and around prompts and births with `aroundGiven`. */
  function keepTracked<E extends PointerEntry>(entries: E[], newest: number, limit: number): E[] {
    const { minScore, aroundGiven } = limits;
    const useful = entries.filter(
      ({ frameIndex, trackScore }) =>
        minScore === undefined ||
        trackScore === undefined ||
        trackScore > minScore ||
        Math.abs(frameIndex - newest) <= 1,
    );
    if (!aroundGiven) return keepNearest(useful, newest, limit);
    const given = conditioning.filter(({ kind }) => kind !== "reconditioned");
    const isNearGiven = (entry: E) =>
      given.some((other) => Math.abs(other.frameIndex - entry.frameIndex) <= limit);
    const near = keepNearest(useful, newest, limit);
    return useful.filter((entry) => near.includes(entry) || isNearGiven(entry));
  }

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
        const scored = entry.trackScore === undefined ? {} : { trackScore: entry.trackScore };
        recent = keepTracked([...recent, entry], frameIndex, limits.recent);
        pointers = keepTracked(
          [...pointers, { frameIndex, pointer, ...scored }],
          frameIndex,
          limits.pointers,
        );
      } else {
        conditioning = trimConditioning([...conditioning, entry], limits);
      }
    },
    amend(frameIndex, changes) {
      const known = this.at(frameIndex);
      if (!known) throw new RangeError(`the bank has no memory of frame ${frameIndex}`);
      const amended = { ...known, ...changes };
      const amend = (entry: MemoryEntry) => (entry === known ? amended : entry);
      conditioning = conditioning.map(amend);
      recent = recent.map(amend);
      return amended;
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
    demoteAround(frameIndex, distance, forget) {
      const isDemoted = (entry: MemoryEntry) =>
        entry.kind !== "prompted" && Math.abs(entry.frameIndex - frameIndex) <= distance;
      const demoted = conditioning.filter(isDemoted);
      if (demoted.length === conditioning.length) return [];
      conditioning = conditioning.filter((entry) => !isDemoted(entry));
      if (!forget) for (const entry of demoted) addAsTracked(entry);
      return demoted.map((entry) => entry.frameIndex);
    },
    promote(frameIndex, kind) {
      const known = recent.find((entry) => entry.frameIndex === frameIndex);
      if (!known) return;
      const { trackScore: _, ...entry } = known;
      recent = recent.filter(elsewhere(frameIndex));
      pointers = pointers.filter(elsewhere(frameIndex));
      conditioning = trimConditioning([...conditioning, { ...entry, kind }], limits);
    },
    demote(frameIndex) {
      const known = conditioning.find((entry) => entry.frameIndex === frameIndex);
      if (!known) return;
      conditioning = conditioning.filter(elsewhere(frameIndex));
      addAsTracked(known);
    },
    spendMasksAround(frameIndex, distance) {
      const spend = (entry: MemoryEntry): MemoryEntry =>
        Math.abs(entry.frameIndex - frameIndex) <= distance ? { ...entry, maskSpent: true } : entry;
      recent = recent.map(spend);
      conditioning = conditioning.map((entry) => (entry.kind === "prompted" ? entry : spend(entry)));
    },
    condense() {
      recent = [];
      pointers = [];
      const prompted = conditioning.filter((entry) => entry.kind === "prompted");
      conditioning = prompted.length > 0 ? prompted : conditioning.slice(0, 1);
    },
    snapshot: () => ({ conditioning, recent, pointers }),
  };
}

/** Drops the entries farthest from a frame; of two equally far ones, the one added first. */
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
 * Drops corrections by the detector first, the oldest first. Then it drops the oldest of the rest, except the first memory:
 * that one identifies the object.
 */
function trimConditioning(entries: readonly MemoryEntry[], limits: BankLimits): MemoryEntry[] {
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
