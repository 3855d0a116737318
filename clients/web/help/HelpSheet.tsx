/** All commands with their keys, by group. */
import { Dialog } from "../theme/Dialog.js";
import type { Command } from "./command.js";
import { Keys } from "./Keys.js";
import "./help.css";

/** What the pointer does on the picture; it has no commands. */
const POINTER: readonly (readonly [string, string])[] = [
  ["Click", "part of the object"],
  ["Alt + click, right button, finger held still", "not part of it"],
  ["Drag with the box tool", "box around the object"],
  ["Wheel", "zoom at the pointer"],
  ["Drag with the middle button, or with Space", "move the picture"],
  ["Tab to the picture, then arrows", "pointer of the keyboard"],
  ["There: Space, or Alt + Enter", "part of it, or not"],
];

/** What the lanes of the timeline show. */
const LANES: readonly (readonly [string, string])[] = [
  ["Height of the bar", "score"],
  ["Circle, diamond", "prompt, correction"],
  ["Line above", "suspect frames"],
  ["Line below", "locked frames"],
  ["Narrow hatching", "marked as gone"],
  ["Wide hatching", "to be computed: Update"],
  ["Thin line, dots", "occluded, lost"],
];

export function HelpSheet(props: {
  commands: readonly Command[];
  groups: readonly string[];
  onClose(): void;
}) {
  const groups = props.groups
    .map(
      (name) =>
        [name, props.commands.filter(({ group, keys }) => group === name && keys.length > 0)] as const,
    )
    .filter(([, commands]) => commands.length > 0);
  return (
    <Dialog title="Keys and pointer" class="help-sheet" onClose={props.onClose}>
      <div class="help-columns">
        <Meanings title="Pointer" list={POINTER} />
        {groups.map(([name, commands]) => (
          <section key={name}>
            <h3>{name}</h3>
            <dl>
              {commands.map(({ id, title, keys }) => (
                <div key={id}>
                  <dt>{title}</dt>
                  <dd>
                    {keys.slice(0, 2).map((key) => (
                      <Keys key={key} value={key} />
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <Meanings title="Timeline" list={LANES} />
      </div>
    </Dialog>
  );
}

function Meanings({ title, list }: { title: string; list: readonly (readonly [string, string])[] }) {
  return (
    <section>
      <h3>{title}</h3>
      <dl>
        {list.map(([name, meaning]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
