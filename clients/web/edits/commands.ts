/** Commands that change objects. They apply to the selected objects and to the chosen range, or to the frame on the stage. */
import { signal } from "@preact/signals";
import type { Command } from "../timeline/command.js";
import { FLAG, type FrameRange, rangeOf } from "../timeline/lane-states.js";
import type { EditContext } from "./edit-context.js";
import type { PageEdits } from "./page-edits.js";
import type { ServerEdits } from "./server-edits.js";
import { numStaleFrames } from "./stale-frames.js";

export interface EditCommandParts {
  context: EditContext;
  server: ServerEdits;
  page: PageEdits;
  /** Computes the stale frames only: a propagation with the scope `affected`. */
  recompute(): Promise<void>;
  /** Starts to edit the name of an object in the panel. */
  editName(objectId: number): void;
}

export function editCommands({ context, server, page, recompute, editName }: EditCommandParts): Command[] {
  const { frame, range, selected, objects, history } = context;
  /** Where "gone from here" was pressed, until "to here". */
  const goneFrom = signal<number | undefined>(undefined);

  const chosen = () => [...selected.value];
  const some = (least: number) => () => selected.value.size >= least;
  const chosenOrAll = () => (selected.value.size > 0 ? chosen() : objects.value.map(({ id }) => id));
  const rangeOrFrame = (): FrameRange => range.value ?? { first: frame.value, last: frame.value };

  async function gone(): Promise<void> {
    if (range.value) {
      await server.markAbsent(chosen(), range.value);
      range.value = undefined;
    } else if (goneFrom.value === undefined) {
      goneFrom.value = frame.value;
      context.notify({
        kind: "info",
        title: `Gone from frame ${frame.value}`,
        detail: "Go to the last frame without the object and press the key again.",
      });
    } else {
      const { first, last } = rangeOf(goneFrom.value, frame.value);
      goneFrom.value = undefined;
      await server.markAbsent(chosen(), { first, last });
    }
  }

  const suspectsHere = () =>
    chosenOrAll().filter((id) => {
      const flags = context.statesOf(id)?.flags[frame.value] ?? 0;
      return (flags & FLAG.suspect) !== 0;
    });

  const mend = (
    id: string,
    title: string,
    keys: readonly string[],
    enabled: () => boolean,
    run: () => unknown,
  ): Command => ({
    id,
    title,
    group: "Mend",
    keys,
    enabled,
    run: async () => {
      await run();
    },
  });

  return [
    mend("undo", "Undo", ["Ctrl+Z"], () => history.state.value.undoTitle !== undefined, server.undo),
    mend(
      "redo",
      "Redo",
      ["Ctrl+Shift+Z", "Ctrl+Y"],
      () => history.state.value.redoTitle !== undefined,
      server.redo,
    ),
    mend("gone", "Gone from here to here", ["G"], some(1), gone),
    mend("back", "Not gone", ["Shift+G"], some(1), () => server.markAbsent(chosen(), rangeOrFrame(), false)),
    mend(
      "lock",
      "Lock",
      ["L"],
      () => objects.value.length > 0,
      () => server.lock(chosenOrAll(), rangeOrFrame()),
    ),
    mend(
      "unlock",
      "Unlock",
      ["Shift+L"],
      () => objects.value.length > 0,
      () => server.unlock(chosenOrAll(), rangeOrFrame()),
    ),
    mend(
      "accept-suspect",
      "Accept the suspect mask",
      ["A"],
      () => suspectsHere().length > 0,
      () => server.lock(suspectsHere(), { first: frame.value, last: frame.value }),
    ),
    mend(
      "recompute",
      "Compute what changed",
      ["R"],
      () => numStaleFrames(context.stale.value) > 0,
      recompute,
    ),
    mend("merge", "Merge into the first selected", ["M"], some(2), () => server.merge(chosen())),
    mend(
      "split",
      "Split here",
      ["Shift+S"],
      () => selected.value.size === 1 && frame.value > 0,
      () => server.split(chosen()[0] as number, frame.value),
    ),
    mend(
      "swap",
      "Swap from here on",
      ["X"],
      () => selected.value.size === 2,
      () => server.swap(chosen()[0] as number, chosen()[1] as number, frame.value),
    ),
    mend(
      "rename",
      "Rename",
      ["F2"],
      () => selected.value.size === 1,
      () => editName(chosen()[0] as number),
    ),
    mend("remove", "Remove", ["Delete"], some(1), () => server.remove(chosen())),
    mend("hide", "Hide or show", ["H"], some(1), () => page.toggleHidden(chosen())),
    mend("solo", "Show only the selected", ["Shift+H"], some(1), () => page.solo(chosen())),
  ];
}
