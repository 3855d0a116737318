/** The list of work that this browser keeps. */
import { type ReadonlySignal, signal } from "@preact/signals";
import { notify } from "../app/notices.js";
import { createKeptList, type KeptWork } from "./kept-work.js";

const kept = createKeptList(localStorage);
const version = signal(0);

/** Grows when the list changes. */
export const recordsVersion: ReadonlySignal<number> = version;

/** The last changed one first. */
export const records = (): readonly KeptWork[] => kept.all();

export const recordOf = (sessionId: string | undefined): KeptWork | undefined =>
  kept.all().find((work) => work.sessionId === sessionId);

/** Adds a record or replaces that of the same session. */
export function putRecord(work: KeptWork): void {
  if (!kept.put(work)) {
    notify({
      kind: "error",
      title: "This browser has no room to remember your work",
      detail: "The session is kept on the server. Free some storage, or download the session file.",
    });
  }
  version.value++;
}

export function removeRecord(sessionId: string): void {
  kept.remove(sessionId);
  version.value++;
}
