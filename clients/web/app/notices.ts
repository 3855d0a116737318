/** Messages for the person at the page: what happened, what is kept, what to do next. */
import { type ReadonlySignal, signal } from "@preact/signals";

export interface Notice {
  kind: "info" | "error";
  title: string;
  /** What is kept, and what to do next. */
  detail?: string;
  action?: { title: string; run(): void };
  /** A later notice with the same topic replaces this one. Absent: the title is the topic. */
  topic?: string;
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

/** An error stays until it is dismissed. Returns the id for `dismiss`. */
export function notify(notice: Notice): number {
  const id = ++lastId;
  const topicOf = ({ topic, title }: Notice) => topic ?? title;
  const others = shown.peek().filter((one) => topicOf(one) !== topicOf(notice));
  shown.value = [...others, { ...notice, id }].slice(-MAX_NOTICES);
  if (notice.kind === "info") setTimeout(() => dismiss(id), INFO_MS);
  return id;
}

export function dismiss(id: number): void {
  shown.value = shown.peek().filter((one) => one.id !== id);
}
