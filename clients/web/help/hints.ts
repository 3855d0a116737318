/** Hints for the first use: one at a time, beside the work and never in its way. Each one ends when it was followed. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Place } from "../keep/kept-work.js";

export interface HintFacts {
  isVideoOpen: boolean;
  numObjects: number;
  hasRun: boolean;
}

export interface Hint {
  id: string;
  text: string;
}

const STEPS: readonly (Hint & { isNext(facts: HintFacts): boolean })[] = [
  {
    id: "click",
    text: "Click on an object to mark it, or type what it is, such as “dog”.",
    isNext: ({ isVideoOpen, numObjects }) => isVideoOpen && numObjects === 0,
  },
  {
    id: "correct",
    text: "Not quite? Click to add a part; Alt and click, the right button, or a finger held still removes one.",
    isNext: ({ numObjects, hasRun }) => numObjects > 0 && !hasRun,
  },
  {
    id: "run",
    text: "Track follows the objects through the video. Pause and correct at any frame.",
    isNext: ({ numObjects, hasRun }) => numObjects > 0 && !hasRun,
  },
  {
    id: "mend",
    text: "A wrong frame? Go there and click, then press Update: only what the click changed is computed again.",
    isNext: ({ hasRun }) => hasRun,
  },
];

const KEY = "masklet.hints.v1";

export interface Hints {
  /** Undefined: there is nothing to hint at. */
  readonly current: ReadonlySignal<Hint | undefined>;
  /** The hint was read. */
  dismiss(id: string): void;
  /** No hint any more. */
  dismissAll(): void;
}

export function createHints(facts: ReadonlySignal<HintFacts>, place: Place): Hints {
  const seen = signal<ReadonlySet<string>>(readSeen(place));
  function add(ids: readonly string[]): void {
    seen.value = new Set([...seen.value, ...ids]);
    try {
      place.setItem(KEY, JSON.stringify([...seen.value]));
    } catch {
      // Without room the hints return with the next visit.
    }
  }
  return {
    current: computed(() => STEPS.find((step) => !seen.value.has(step.id) && step.isNext(facts.value))),
    dismiss: (id) => add([id]),
    dismissAll: () => add(STEPS.map(({ id }) => id)),
  };
}

function readSeen(place: Place): ReadonlySet<string> {
  try {
    const ids: unknown = JSON.parse(place.getItem(KEY) ?? "[]");
    return new Set(Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : []);
  } catch {
    return new Set();
  }
}
