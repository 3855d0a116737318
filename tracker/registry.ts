/** The objects of one session by id, and the limit on their number. */
import { type BankSnapshot, createMemoryBank } from "../memory/bank.js";
import type { BankRules } from "../memory/select.js";
import { createMasklet, type KeptPrompt, type Masklet } from "./masklet.js";
import type { TrackerPolicy } from "./policy.js";

/** The fields of a new object. */
export type Birth = Pick<Masklet, "conceptKey" | "prob" | "bornFrame" | "motion" | "confirmed">;

/** An object as plain data. */
export interface MaskletSnapshot extends Omit<Masklet, "bank" | "prompts"> {
  bank: BankSnapshot;
  prompts: ReadonlyMap<number, KeptPrompt>;
}

export interface RegistrySnapshot {
  /** By ascending id. */
  masklets: readonly MaskletSnapshot[];
  nextId: number;
}

export interface Registry {
  /** By ascending id. */
  all(): Masklet[];
  /** The id of the next object that is created without an id. */
  readonly nextId: number;
  get(id: number): Masklet | undefined;
  /** The objects that are not dormant, by ascending id. The object limit counts these. */
  tracked(): Masklet[];
  isFull(): boolean;
  /**
   * Creates an object.
   * @param id the next free id when absent; replaces an excluded object of that id
   */
  create(birth: Birth, id?: number): Masklet;
  delete(id: number): void;
  /** Deletes the dormant objects beyond {@link MAX_DORMANT}: first those that were lost for the most frames. */
  trim(): void;
  /** Deletes all objects. Ids start at 0 again. */
  clear(): void;
  snapshot(): RegistrySnapshot;
  /** Replaces all objects. */
  restore(snapshot: RegistrySnapshot): void;
}

/**
 * Dormant objects that are kept, so that a later pass can track them under the same ids. Higher: more of them can reappear.
 * Lower: less memory.
 */
export const MAX_DORMANT = 64;

/** Limits of the memories of tracked frames, by `memory.tracked` of the policy. */
function trackedLimits({ tracked, mfThreshold }: TrackerPolicy["memory"], bank: BankRules) {
  if (tracked === "all") return { recent: Number.POSITIVE_INFINITY, pointers: Number.POSITIVE_INFINITY };
  if (mfThreshold === null) return { aroundGiven: tracked === "windows" };
  // One place more than the bank uses: the previous frame always conditions the next one, even with a low score.
  return { recent: bank.recent + 1, minScore: mfThreshold, aroundGiven: tracked === "windows" };
}

export function createRegistry(policy: TrackerPolicy, bank: BankRules): Registry {
  const masklets = new Map<number, Masklet>();
  let nextId = 0;
  const limits = {
    recent: Math.max(bank.recent, 1),
    pointers: Math.max(bank.maxPointers - 1, 0),
    conditioning: policy.memory.conditioning || Number.POSITIVE_INFINITY,
    reconditioned: policy.memory.reconditioned || Number.POSITIVE_INFINITY,
    ...trackedLimits(policy.memory, bank),
  };
  const all = () => [...masklets.values()].sort((a, b) => a.id - b.id);
  const tracked = () => all().filter(({ state }) => state !== "dormant");
  return {
    all,
    get nextId() {
      return nextId;
    },
    tracked,
    get: (id) => masklets.get(id),
    isFull: () => tracked().length >= policy.life.maxNumObjects,
    create(birth, id = nextId) {
      const isShared = policy.memory.buckets === "first-frame" && birth.conceptKey !== null;
      const bucket = isShared ? { bucket: `frame ${birth.bornFrame}` } : {};
      const masklet = createMasklet({ ...birth, ...bucket, id, bank: createMemoryBank(limits) }, policy.life);
      masklets.set(id, masklet);
      nextId = Math.max(nextId, id + 1);
      return masklet;
    },
    delete(id) {
      masklets.delete(id);
    },
    trim() {
      const dormant = all().filter(({ state }) => state === "dormant");
      dormant.sort((a, b) => b.lostFrames - a.lostFrames || a.id - b.id);
      for (const { id } of dormant.slice(0, Math.max(0, dormant.length - MAX_DORMANT))) masklets.delete(id);
    },
    clear() {
      masklets.clear();
      nextId = 0;
    },
    snapshot: () => ({
      masklets: all().map((masklet) => ({
        ...masklet,
        bank: masklet.bank.snapshot(),
        prompts: new Map(masklet.prompts),
      })),
      nextId,
    }),
    restore(snapshot) {
      masklets.clear();
      for (const { bank: content, prompts, ...masklet } of snapshot.masklets) {
        const own = { bank: createMemoryBank(limits, content), prompts: new Map(prompts) };
        masklets.set(masklet.id, { ...masklet, ...own });
      }
      nextId = snapshot.nextId;
    },
  };
}
