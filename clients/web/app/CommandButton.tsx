import type { ComponentChildren } from "preact";
import { commands, runCommand } from "./commands.js";

/** A button of a command of the registry, with its key in the tooltip. Nothing before the command is added. */
export function CommandButton(props: {
  id: string;
  class?: string;
  pressed?: boolean;
  label?: string;
  children: ComponentChildren;
}) {
  const command = commands.value.get(props.id);
  if (!command) return null;
  const [key] = command.keys;
  return (
    <button
      type="button"
      class={props.class ?? "button"}
      aria-label={props.label ?? command.title}
      aria-pressed={props.pressed}
      title={key ? `${command.title} (${key})` : command.title}
      disabled={!command.enabled()}
      onClick={() => runCommand(props.id)}
    >
      {props.children}
    </button>
  );
}
