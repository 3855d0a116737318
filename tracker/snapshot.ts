/**
 * The state of a session as plain data: everything that determines its next frames. `structuredClone` copies it, so it can
 * be sent to another process. It shares tensors and other values with the session, which changes none of them in place.
 *
 * Frame features and the last detection are not part of the snapshot. The same graphs compute them again from the same
 * frame, with the same result.
 */
import type { EmissionBuffer } from "./emission.js";
import type { PassRequest } from "./frame-output.js";
import type { OutputCacheSnapshot } from "./output-cache.js";
import type { TrackerParts } from "./parts.js";
import type { Action, ModePlan } from "./propagation-mode.js";
import type { StepResult } from "./report.js";
import type { TimelineSnapshot } from "./timeline.js";
import type { TrackerSnapshot } from "./tracker-snapshot.js";

export type { TrackerSnapshot } from "./tracker-snapshot.js";

export interface SessionSnapshot {
  tracker: TrackerSnapshot;
  outputs: OutputCacheSnapshot;
  /** Propagation history, oldest first. */
  actions: readonly Action[];
  plan: ModePlan;
  pass: PassRequest;
  buffer: EmissionBuffer<StepResult>;
  timeline: TimelineSnapshot;
  /** Every propagation tracks all objects, because an edit was undone. */
  tracksAll: boolean;
}

type StatefulParts = Pick<TrackerParts, "registry" | "concepts" | "history" | "pass">;

export function snapshotTracker({ registry, concepts, history, pass }: StatefulParts): TrackerSnapshot {
  return {
    registry: registry.snapshot(),
    concepts: concepts.snapshot(),
    history: { ...history },
    pass: { ...pass },
  };
}

export function restoreTracker(parts: StatefulParts, snapshot: TrackerSnapshot): void {
  parts.registry.restore(snapshot.registry);
  parts.concepts.restore(snapshot.concepts);
  Object.assign(parts.history, snapshot.history);
  parts.pass = { ...snapshot.pass };
}
