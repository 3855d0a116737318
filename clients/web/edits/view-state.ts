/** How the page shows objects: colour, group, visibility. The server has no such fields, so the page keeps them. */
import { type Signal, signal } from "@preact/signals";

export interface ObjectView {
  /** `#rrggbb`; absent: the colour of the palette. */
  colour?: string;
  /** Absent: in no group. */
  group?: string;
  hidden?: true;
}

/** Plain JSON, for storage. */
export interface ViewState {
  version: 1;
  objects: Record<string, ObjectView>;
}

export type ObjectViews = ReadonlyMap<number, ObjectView>;

export interface ViewStore {
  readonly views: Signal<ObjectViews>;
}

export const createViewStore = (): ViewStore => ({ views: signal<ObjectViews>(new Map()) });

/** What `applyViewState` restores after a reload. */
export function viewState({ views }: ViewStore): ViewState {
  return { version: 1, objects: Object.fromEntries([...views.value].map(([id, view]) => [`${id}`, view])) };
}

/** Ignores entries that are malformed, so that a damaged or newer file costs only colours. */
export function applyViewState({ views }: ViewStore, state: unknown): void {
  const objects = (state as ViewState | null | undefined)?.objects;
  if (typeof objects !== "object" || objects === null) return;
  const restored = new Map<number, ObjectView>();
  for (const [key, entry] of Object.entries(objects as Record<string, unknown>)) {
    const id = Number(key);
    if (!Number.isInteger(id) || id < 0 || typeof entry !== "object" || entry === null) continue;
    const { colour, group, hidden } = entry as Record<string, unknown>;
    const view: ObjectView = {};
    if (typeof colour === "string" && /^#[0-9a-f]{6}$/i.test(colour)) view.colour = colour;
    if (typeof group === "string" && group !== "") view.group = group.slice(0, 200);
    if (hidden === true) view.hidden = true;
    restored.set(id, view);
  }
  views.value = restored;
}

/** Changes of one object; a field that is undefined is removed. */
export interface ViewChange {
  colour?: string | undefined;
  group?: string | undefined;
  hidden?: boolean;
}

/** The views after a change of several objects. */
export function changeViews(views: ObjectViews, ids: readonly number[], change: ViewChange): ObjectViews {
  const changed = new Map(views);
  for (const id of ids) {
    const view: ObjectView = { ...changed.get(id) };
    if ("colour" in change) setOrDelete(view, "colour", change.colour);
    if ("group" in change) setOrDelete(view, "group", change.group || undefined);
    if ("hidden" in change) setOrDelete(view, "hidden", change.hidden ? true : undefined);
    changed.set(id, view);
  }
  return changed;
}

function setOrDelete<K extends keyof ObjectView>(view: ObjectView, key: K, value: ObjectView[K] | undefined) {
  if (value === undefined) delete view[key];
  else view[key] = value;
}
