/**
 * The memory bank of one object. Conditioning memories come from a prompt or a detection and are kept for the session, up to
 * a limit. Recent memories come from tracking: those of a bounded window around the last remembered frame are kept. Object
 * pointers are small, so their window is longer than that of the spatial memories.
 */

/**
 * The origin of a memory, which determines how long it is kept. `prompted`: clicks or a box of the user. `born`: the
 * detection that created the object. `reconditioned`: a later detection that corrected the track. `recent`: a tracked frame.
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
  /** Score of a tracked frame for the memory selection, 0..1; absent for frames that are or were conditioning frames. */
  readonly trackScore?: number;
  /** Later clicks on the frame do not refine its mask. */
  readonly maskCleared?: true;
}

/** The content of a bank as plain data. */
export interface BankSnapshot {
  conditioning: readonly MemoryEntry[];
  recent: readonly MemoryEntry[];
  pointers: readonly PointerEntry[];
}

export type PointerEntry = Pick<MemoryEntry, "frameIndex" | "pointer" | "trackScore">;

/** Maximum numbers of memories. */
export interface BankLimits {
  /** Spatial memories of tracked frames. */
  recent: number;
  /** Pointers of tracked frames. */
  pointers: number;
  /** Conditioning memories of every kind. */
  conditioning: number;
  /** Conditioning memories of the kind `reconditioned`. */
  reconditioned: number;
  /**
   * Also keep windows of the same length around prompts and the detection that created the object. A pass in the other
   * direction starts there and needs these memories.
   */
  aroundGiven?: boolean;
  /** Tracked frames with at most this score are dropped, except the newest one and its neighbours. */
  minScore?: number;
}

export interface MemoryBank {
  /** In the order in which they were added. */
  readonly conditioning: readonly MemoryEntry[];
  readonly recent: readonly MemoryEntry[];
  readonly pointers: readonly PointerEntry[];
  /** Adds a memory, replaces an earlier one of the same frame, and drops memories beyond the limits. */
  add(entry: MemoryEntry): void;
  /**
   * Replaces the memory of a frame by a changed copy. The old entry is not modified, because snapshots share it.
   * @returns the new entry
   * @throws RangeError when the bank has no memory of the frame
   */
  amend(frameIndex: number, changes: Partial<Omit<MemoryEntry, "frameIndex">>): MemoryEntry;
  /** The memory of one frame. */
  at(frameIndex: number): MemoryEntry | undefined;
  /** Drops the memories of tracked frames up to `distance` frames away. */
  clearAround(frameIndex: number, distance: number): void;
  /**
   * Demotes the conditioning memories from detections up to `distance` frames away. Demotes none of them if the bank would
   * have no conditioning memory left.
   * @param forget true: they are dropped; false: they are kept as memories of tracked frames without a score
   * @returns the indices of the demoted frames
   */
  demoteAround(frameIndex: number, distance: number, forget: boolean): number[];
  /** Changes the memory of a tracked frame into a conditioning memory; no effect without one. */
  promote(frameIndex: number, kind: Exclude<MemoryKind, "recent">): void;
  /** Changes a conditioning memory into the memory of a tracked frame; no effect without one. */
  demote(frameIndex: number): void;
  /** Sets `maskCleared` on the memories up to `distance` frames away, except on prompted ones. */
  clearMasksAround(frameIndex: number, distance: number): void;
  /**
   * Keeps only the prompted memories, or without any the first conditioning memory. They suffice to track the object again.
   */
  condense(): void;
  /** Replaces the whole content, and drops conditioning memories beyond the limits. */
  replace(content: BankSnapshot): void;
  /** Shares entries and tensors with the bank, which changes neither in place. */
  snapshot(): BankSnapshot;
}

/** @param content the initial content of the bank; absent: empty */
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

  /** The tracked frames in the window around the newest one, and with `aroundGiven` in the windows of {@link BankLimits}. */
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
    clearMasksAround(frameIndex, distance) {
      const clearMask = (entry: MemoryEntry): MemoryEntry =>
        Math.abs(entry.frameIndex - frameIndex) <= distance ? { ...entry, maskCleared: true } : entry;
      recent = recent.map(clearMask);
      conditioning = conditioning.map((entry) => (entry.kind === "prompted" ? entry : clearMask(entry)));
    },
    condense() {
      recent = [];
      pointers = [];
      const prompted = conditioning.filter((entry) => entry.kind === "prompted");
      conditioning = prompted.length > 0 ? prompted : conditioning.slice(0, 1);
    },
    replace(replacement) {
      conditioning = trimConditioning(replacement.conditioning, limits);
      ({ recent, pointers } = replacement);
    },
    snapshot: () => ({ conditioning, recent, pointers }),
  };
}

/** The memory closest in time; the earlier one when two are equally close. */
export function nearestEntry(
  { conditioning, recent }: Pick<BankSnapshot, "conditioning" | "recent">,
  frameIndex: number,
): MemoryEntry | undefined {
  const gap = (entry: MemoryEntry) => Math.abs(entry.frameIndex - frameIndex);
  return [...conditioning, ...recent].sort((a, b) => gap(a) - gap(b) || a.frameIndex - b.frameIndex)[0];
}

/** Drops the entries farthest from a frame; of two at the same distance, the one added first. */
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
 * Drops corrections by detections first, in the order in which they were added. Then drops the others in that order, except
 * the first memory, which identifies the object.
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
