/** Which sessions this page controls. Among the tabs of a browser, the one that controls a session has the lock of its id. */
import { type ReadonlySignal, signal } from "@preact/signals";

/** `watching`: this page only displays the session. `taken`: another page has taken it over. */
export type Role = "watching" | "taken";

const given = signal<ReadonlyMap<string, Role>>(new Map());

/** Sessions that this page displays but does not control, by id. */
export const roles: ReadonlySignal<ReadonlyMap<string, Role>> = given;

/** @param role undefined: this page controls the session, or it is closed */
export function setRole(id: string, role: Role | undefined): void {
  const next = new Map(given.peek());
  if (role) next.set(id, role);
  else next.delete(id);
  given.value = next;
}

/** Functions that release the locks of this page. */
const held = new Map<string, () => void>();
const lockName = (id: string) => `masklet session ${id}`;

/** Takes the lock, also from another tab. */
export function acquireLock(id: string): void {
  if (held.has(id) || !navigator.locks) return;
  held.set(id, () => {});
  void navigator.locks
    .request(lockName(id), { steal: true }, () => new Promise<void>((resolve) => held.set(id, resolve)))
    .catch(() => held.delete(id));
}

export function releaseLock(id: string): void {
  held.get(id)?.();
  held.delete(id);
}

/** Whether no other tab of this browser has the lock. */
export async function isFree(id: string): Promise<boolean> {
  if (held.has(id) || !navigator.locks) return true;
  return navigator.locks.request(lockName(id), { ifAvailable: true }, (lock) => lock !== null);
}
