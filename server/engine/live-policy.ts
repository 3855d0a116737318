/** The policy of live sessions, whose number of frames is not known: every frame is shown at once, and memory is bounded. */
import { changePolicy, type TrackerPolicy } from "../../tracker/policy.js";
import { presets } from "../../tracker/presets.js";

/**
 * Changes a session's policy for live frames. The hot start would delay every frame, so it is off: objects that it would
 * remove after some frames are shown on these frames. Presets that keep every tracked frame keep as many as `masklet`.
 */
export function livePolicy(policy: TrackerPolicy): TrackerPolicy {
  const bounds = presets.masklet.memory;
  return changePolicy(policy, {
    life: { hotstartDelay: 0 },
    memory: {
      conditioning: policy.memory.conditioning || bounds.conditioning,
      reconditioned: policy.memory.reconditioned || bounds.reconditioned,
      tracked: policy.memory.tracked === "all" ? bounds.tracked : policy.memory.tracked,
    },
    // Masks of visited frames are not stored: no later propagation visits them.
    session: { propagationModes: false },
    sam3Parity: { clickNeedsVisitedFrame: false },
  });
}
