/** The objects of a session, from `get_session` and from what the page keeps. */
import type { SessionFacts } from "../../typescript/index.js";
import type { ObjectViews } from "../edits/view-state.js";
import type { FrameRange } from "../timeline/lane-states.js";
import { colourOf } from "./palette.js";

export interface ObjectFacts {
  readonly id: number;
  /** Never empty: `Object 3` for the object 3 without a name, as in exports. */
  readonly name: string;
  readonly isNamed: boolean;
  /** `#rrggbb`. */
  readonly colour: string;
  readonly hidden: boolean;
  readonly group: string | undefined;
  /** The phrase that detected it. */
  readonly concept: string | undefined;
  readonly locked: readonly FrameRange[];
  readonly absent: readonly FrameRange[];
}

/** The name of an object without one, as in exports. */
export const defaultName = (id: number, concept?: string | null): string => `${concept ?? "Object"} ${id}`;

export const toRange = ([first, last]: readonly [number, number]): FrameRange => ({ first, last });

export function objectsOfSession(facts: Pick<SessionFacts, "objects">, views: ObjectViews): ObjectFacts[] {
  return facts.objects.map(({ obj_id: id, name, concept, locked_frames, absent_frames }) => {
    const view = views.get(id);
    return {
      id,
      name: name ?? defaultName(id, concept),
      isNamed: name !== null,
      colour: view?.colour ?? colourOf(id),
      hidden: view?.hidden ?? false,
      group: view?.group,
      concept: concept ?? undefined,
      locked: locked_frames.map(toRange),
      absent: absent_frames.map(toRange),
    };
  });
}
