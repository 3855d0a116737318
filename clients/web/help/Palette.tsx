/** Finds a command by its name and runs it. A combobox with a list, by the pattern of ARIA. */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Dialog } from "../theme/Dialog.js";
import { type Command, search } from "./command.js";
import { Keys } from "./Keys.js";
import "./help.css";

export function Palette(props: { commands: readonly Command[]; run(id: string): void; onClose(): void }) {
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const enabled = props.commands.filter((command) => command.enabled());
  const found = search(enabled, typed);
  const current = found[Math.min(at, found.length - 1)];

  useEffect(() => input.current?.focus(), []);
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [at, typed]);

  function run(command: Command): void {
    props.onClose();
    props.run(command.id);
  }

  function onKey(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && found.length > 0) {
      event.preventDefault();
      setAt((Math.min(at, found.length - 1) + step + found.length) % found.length);
    } else if (event.key === "Enter" && current) {
      event.preventDefault();
      run(current);
    }
  }

  return (
    <Dialog title="Commands" class="palette" hidesTitle onClose={props.onClose}>
      <input
        ref={input}
        class="field"
        role="combobox"
        aria-label="Find a command"
        aria-expanded="true"
        aria-autocomplete="list"
        aria-controls={`${id}-list`}
        aria-activedescendant={current && `${id}-${current.id}`}
        placeholder="Find a command"
        autocomplete="off"
        value={typed}
        onInput={(event) => {
          setTyped(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      <div
        class="palette-list"
        role="listbox"
        id={`${id}-list`}
        aria-label="Commands"
        tabIndex={-1}
        ref={list}
      >
        {found.map((command) => (
          // The keyboard reaches the options through the combobox.
          // biome-ignore lint/a11y/useKeyWithClickEvents: see above
          <div
            key={command.id}
            id={`${id}-${command.id}`}
            class="palette-option"
            role="option"
            tabIndex={-1}
            aria-selected={command === current}
            onClick={() => run(command)}
          >
            <span>{command.title}</span>
            <span class="muted small">{command.group}</span>
            {command.keys[0] !== undefined && <Keys value={command.keys[0]} />}
          </div>
        ))}
      </div>
      {found.length === 0 && <p class="muted">No command has this name.</p>}
    </Dialog>
  );
}
