/** Messages for the person at the page: what happened, what is kept, what to do next. */
import { type ReadonlySignal, signal } from "@preact/signals";

export interface Notice {
  kind: "info" | "error";
  title: string;
  /** What is kept, and what to do next. */
  detail?: string;
  action?: { title: string; run(): void };
}

export interface ShownNotice extends Notice {
  readonly id: number;
}

/** Older notices give way. */
const MAX_NOTICES = 4;
const INFO_MS = 6000;

const shown = signal<readonly ShownNotice[]>([]);
let lastId = 0;

export const notices: ReadonlySignal<readonly ShownNotice[]> = shown;

/** An error stays until it is dismissed; a later one with the same title replaces it. Returns the id for `dismiss`. */
export function notify(notice: Notice): number {
  const id = ++lastId;
  const others = shown.value.filter(({ title }) => title !== notice.title);
  shown.value = [...others, { ...notice, id }].slice(-MAX_NOTICES);
  if (notice.kind === "info") setTimeout(() => dismiss(id), INFO_MS);
  return id;
}

export function dismiss(id: number): void {
  shown.value = shown.value.filter((one) => one.id !== id);
}
