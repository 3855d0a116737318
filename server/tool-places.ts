import type { ToolPlaces } from "./media/places.js";
import type { OwnerId } from "./session-owner.js";
import type { Shares } from "./shares/shares.js";

/**
 * How long a video waits for its inspection. An owner that opens many long videos at once waits for its own; another owner's
 * turn comes first. A client that does not want to wait disconnects or closes the session.
 */
const PROBE_WAIT_MS = 60_000;

/** The places of an owner's processes, from its shares. */
export function toolPlaces(shares: Pick<Shares, "wait">, owner: OwnerId): ToolPlaces {
  return {
    probe: (signal) => shares.wait("probes", owner, { maxWaitMs: PROBE_WAIT_MS, ...(signal && { signal }) }),
    decode: (options) => shares.wait("decoders", owner, options),
  };
}
