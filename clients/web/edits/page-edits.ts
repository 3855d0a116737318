/** Edits of how the page shows objects. They are undone in one order with those of the server. */
import type { EditContext } from "./edit-context.js";
import { changeViews, type ObjectViews, type ViewChange } from "./view-state.js";

export type PageEdits = ReturnType<typeof createPageEdits>;

export function createPageEdits({ views, history, objects }: EditContext) {
  function replace(title: string, next: ObjectViews): void {
    const before = views.value;
    views.value = next;
    history.addPageEdit({
      title,
      undo: () => {
        views.value = before;
      },
      redo: () => {
        views.value = next;
      },
    });
  }
  const change = (title: string, ids: readonly number[], fields: ViewChange) =>
    replace(title, changeViews(views.value, ids, fields));

  const isHidden = (id: number) => views.value.get(id)?.hidden === true;

  return {
    setColour: (ids: readonly number[], colour: string) => change("Change the colour", ids, { colour }),
    /** @param group empty: in no group */
    setGroup: (ids: readonly number[], group: string) =>
      change(group === "" ? "Leave the group" : `Group as ${group}`, ids, { group: group.trim() }),
    /** Hides the objects, or shows them when all are hidden. */
    toggleHidden(ids: readonly number[]): void {
      const hidden = !ids.every(isHidden);
      change(hidden ? "Hide" : "Show", ids, { hidden });
    },
    /** Shows only these objects; shows all when only these are shown already. */
    solo(ids: readonly number[]): void {
      const others = objects.value.map(({ id }) => id).filter((id) => !ids.includes(id));
      const isSolo = others.length > 0 && others.every(isHidden) && !ids.some(isHidden);
      const shown = changeViews(views.value, [...ids, ...(isSolo ? others : [])], { hidden: false });
      replace(
        isSolo ? "Show all" : "Show only the selected",
        isSolo ? shown : changeViews(shown, others, { hidden: true }),
      );
    },
  };
}
