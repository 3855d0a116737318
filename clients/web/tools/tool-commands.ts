import type { Command } from "../app/commands.js";
import type { OpenSession } from "../session/open-session.js";
import { resizeBrush } from "./brush.js";
import { currentTool, TOOLS } from "./current-tool.js";
import { addsToSelected, isNewChosen, selectedObject } from "./target.js";

/** Commands of the group Point. */
export function toolCommands(session: OpenSession): Command[] {
  const point = (
    id: string,
    title: string,
    keys: readonly string[],
    run: () => void,
    enabled = () => true,
  ): Command => ({
    id,
    title,
    group: "Point",
    keys,
    enabled,
    run,
  });
  /** The tool uses the key first: Enter and Escape have other meanings too. */
  const forTool = (key: string) => currentTool.peek().onKey?.(session, key) ?? false;
  return [
    ...TOOLS.map((tool) =>
      point(`tool-${tool.id}`, tool.title, [tool.key], () => {
        currentTool.value = tool;
      }),
    ),
    point("new-object", "New object", ["Q"], () => {
      session.selected.value = new Set();
      addsToSelected.value = false;
      isNewChosen.value = true;
    }),
    point(
      "add-to-selected",
      "Add to the selected object",
      ["D"],
      () => {
        addsToSelected.value = !addsToSelected.value;
      },
      () => selectedObject(session) !== undefined,
    ),
    point("brush-larger", "Larger brush", ["]"], () => resizeBrush(1)),
    point("brush-smaller", "Smaller brush", ["["], () => resizeBrush(-1)),
    point("find-phrase", "Type a phrase", ["/", "T"], () => document.getElementById("phrase")?.focus()),
    point("tool-done", "Close the outline", ["Enter"], () => void forTool("Enter")),
    point("tool-back", "Remove the last corner", ["Backspace"], () => void forTool("Backspace")),
    point("tool-cancel", "Cancel, or select nothing", ["Escape"], () => {
      if (forTool("Escape")) return;
      session.selected.value = new Set();
      addsToSelected.value = false;
      isNewChosen.value = false;
    }),
  ];
}
