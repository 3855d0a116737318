import type { Clock } from "../clock.js";
import type { OwnerId } from "../session-owner.js";
import type { ResumableState } from "./upload.js";

/** An upload that is not media. Without files, so that a sender that lost its answer can ask for the error. */
export interface Failure {
  owner: OwnerId;
  state: ResumableState;
  error: unknown;
}

/** Failures that are remembered at once. The oldest ones are forgotten first. */
const MAX_FAILURES = 256;

export interface FailuresParts {
  clock: Clock;
  lifetimeMs: number;
}

export function createFailures({ clock, lifetimeMs }: FailuresParts) {
  const failures = new Map<string, Failure>();

  function find(uploadId: string, owner: OwnerId): Failure | undefined {
    const failure = failures.get(uploadId);
    return failure?.owner === owner ? failure : undefined;
  }

  return {
    find,
    add(owner: OwnerId, state: ResumableState, error: unknown): void {
      failures.set(state.uploadId, { owner, state, error });
      clock.after(lifetimeMs, () => failures.delete(state.uploadId));
      if (failures.size <= MAX_FAILURES) return;
      const [oldest] = failures.keys();
      failures.delete(oldest as string);
    },
    /** False if this owner has no such failure. */
    remove: (uploadId: string, owner: OwnerId): boolean =>
      find(uploadId, owner) !== undefined && failures.delete(uploadId),
  };
}
