/** What the object panel shows, and how its list is filtered and ordered. */
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { LaneFacts } from "../timeline/model.js";

export interface PanelObject extends LaneFacts {
  readonly concept: string | null;
  readonly group: string | undefined;
}

export interface PanelModel {
  readonly objects: ReadonlySignal<readonly PanelObject[]>;
  /** Phrases of the session, also those that detected no object. */
  readonly concepts: ReadonlySignal<readonly string[]>;
  readonly selected: Signal<ReadonlySet<number>>;
  readonly frame: ReadonlySignal<number>;
  readonly version: ReadonlySignal<number>;
  /** The object whose name is being edited. */
  readonly editing: Signal<number | undefined>;
  rename(objectId: number, name: string): void;
  setColour(objectIds: readonly number[], colour: string): void;
  setGroup(objectIds: readonly number[], group: string): void;
  toggleHidden(objectIds: readonly number[]): void;
  solo(objectIds: readonly number[]): void;
  remove(objectIds: readonly number[]): void;
  /** Locks or unlocks the object on the frame of the stage. */
  toggleLock(objectId: number): void;
  removeConcept(concept: string): void;
}

export type PanelRow =
  | {
      kind: "head";
      key: string;
      title: string;
      /** The objects below it. Empty: a phrase that has detected none. */
      ids: readonly number[];
      concept: string | undefined;
    }
  | { kind: "object"; key: string; object: PanelObject };

/** Objects under a heading for each group and each concept; objects with neither come first, without a heading. */
export function panelRows(
  objects: readonly PanelObject[],
  concepts: readonly string[],
  filter: string,
): PanelRow[] {
  const words = filter.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const sections = new Map<string, { title: string; concept: string | undefined; objects: PanelObject[] }>();
  for (const object of objects) {
    const { group, concept, name, id } = object;
    const text = `${name} #${id} ${group ?? ""} ${concept ?? ""}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) continue;
    const key = group !== undefined ? `group ${group}` : concept !== null ? `concept ${concept}` : "";
    const section = sections.get(key) ?? {
      title: group ?? concept ?? "",
      concept: group === undefined ? (concept ?? undefined) : undefined,
      objects: [],
    };
    section.objects.push(object);
    sections.set(key, section);
  }
  for (const concept of concepts) {
    const isFitting = words.every((word) => concept.toLowerCase().includes(word));
    if (isFitting && !objects.some((object) => object.concept === concept))
      sections.set(`concept ${concept}`, { title: concept, concept, objects: [] });
  }
  const plain = sections.get("")?.objects ?? [];
  sections.delete("");
  const rows = plain.map(rowOf);
  for (const [key, section] of [...sections].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const ids = section.objects.map(({ id }) => id);
    rows.push({ kind: "head", key, title: section.title, concept: section.concept, ids });
    rows.push(...section.objects.map(rowOf));
  }
  return rows;
}

const rowOf = (object: PanelObject): PanelRow => ({ kind: "object", key: `${object.id}`, object });

/** The selection after a click: alone, added or removed (Ctrl), or up to the object (Shift). */
export function selectBy(
  selected: ReadonlySet<number>,
  shownIds: readonly number[],
  id: number,
  mode: "one" | "toggle" | "to",
): ReadonlySet<number> {
  if (mode === "one") return new Set([id]);
  if (mode === "toggle") {
    const changed = new Set(selected);
    if (!changed.delete(id)) changed.add(id);
    return changed;
  }
  const last = [...selected].at(-1);
  const from = last === undefined ? -1 : shownIds.indexOf(last);
  const to = shownIds.indexOf(id);
  if (from < 0 || to < 0) return new Set([id]);
  return new Set([...selected, ...shownIds.slice(Math.min(from, to), Math.max(from, to) + 1)]);
}
