/** Which stored results changed on the server. */
import type { FrameRange } from "../timeline/lane-states.js";

export interface Change extends FrameRange {
  /** Null: all objects. */
  readonly objectId: number | null;
}

export interface ChangeGroup extends FrameRange {
  /** Undefined: all objects. */
  readonly objectIds: readonly number[] | undefined;
}

/** Requests that are made for one edit. */
const MAX_GROUPS = 4;

/** Changes with the same frames in one group each: one request reads a group. Many groups become one that contains them. */
export function groupChanges(changes: readonly Change[]): ChangeGroup[] {
  const groups = new Map<string, FrameRange & { ids: Set<number | null> }>();
  for (const { objectId, first, last } of changes) {
    const key = `${first}-${last}`;
    const group = groups.get(key);
    if (group) group.ids.add(objectId);
    else groups.set(key, { first, last, ids: new Set([objectId]) });
  }
  const list = [...groups.values()];
  const united =
    list.length <= MAX_GROUPS
      ? list
      : [
          {
            first: Math.min(...list.map(({ first }) => first)),
            last: Math.max(...list.map(({ last }) => last)),
            ids: new Set(list.flatMap(({ ids }) => [...ids])),
          },
        ];
  return united.map(({ first, last, ids }) => ({
    ...{ first, last },
    objectIds: ids.has(null) ? undefined : ([...ids] as number[]).sort((a, b) => a - b),
  }));
}
