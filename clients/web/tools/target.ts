/** Which object a prompt belongs to. */
import { signal } from "@preact/signals";
import { defaultName } from "../session/objects.js";
import type { OpenSession } from "../session/open-session.js";
import { colourOf } from "../session/palette.js";
import type { Point } from "../stage/coordinates.js";
import { objectAt } from "../stage/mask-paths.js";

/** Whether presses outside all masks belong to the selected object instead of a new one. */
export const addsToSelected = signal(false);

/** "New object" was chosen: the next press makes one, also on the mask of another object. */
export const isNewChosen = signal(false);

export interface Target {
  /** Undefined: a new object. */
  readonly id: number | undefined;
  readonly name: string;
  readonly colour: string;
}

/** The only selected object. */
export function selectedObject({ selected }: OpenSession): number | undefined {
  const [id, ...others] = selected.value;
  return others.length === 0 ? id : undefined;
}

/** The id of the next new object, which was never used in this session. */
export function nextObjectId(session: OpenSession): number {
  const next = Math.max(lastIds.get(session) ?? -1, ...session.facts.peek().obj_ids) + 1;
  lastIds.set(session, next - 1);
  return next;
}

const lastIds = new WeakMap<OpenSession, number>();

/** Keeps the id from being proposed for a new object. */
export function reserveObjectId(session: OpenSession, id: number): void {
  lastIds.set(session, Math.max(lastIds.get(session) ?? -1, id));
}

export function hitObject(session: OpenSession, at: Point): number | undefined {
  const hidden = new Set(session.objects.value.filter((object) => object.hidden).map(({ id }) => id));
  const shown = session.results.get(session.shownFrame.value);
  return objectAt(shown, at, (id) => !hidden.has(id), session.selected.value);
}

/**
 * A press on a mask belongs to its object; others to a new object, or to the selected one where that is chosen. The first press
 * after "New object" belongs to a new object anywhere.
 */
export function targetOf(
  session: OpenSession,
  at: Point,
  { isNegative, isAdding }: { isNegative: boolean; isAdding: boolean },
): Target {
  const selected = selectedObject(session);
  if (isNewChosen.value && selected === undefined && !isNegative) return ofObject(session, undefined);
  const hit = hitObject(session, at);
  if (selected !== undefined && (isAdding || (addsToSelected.value && hit === undefined)))
    return ofObject(session, selected);
  if (hit !== undefined) return ofObject(session, hit);
  return ofObject(session, isNegative ? selected : undefined);
}

export function ofObject(session: OpenSession, id: number | undefined): Target {
  if (id === undefined) {
    const next = Math.max(lastIds.get(session) ?? -1, ...session.facts.value.obj_ids) + 1;
    return { id, name: "a new object", colour: colourOf(next) };
  }
  const facts = session.objects.value.find((object) => object.id === id);
  return { id, name: facts?.name ?? defaultName(id), colour: facts?.colour ?? colourOf(id) };
}
