/** The keys of commands. */
import { commands, runCommand } from "./commands.js";

/** The name of a pressed key, in the form of `Command.keys`. */
export function keyName(
  event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">,
): string {
  const { key } = event;
  const isLetter = /^[a-z]$/i.test(key);
  const name = key === " " ? "Space" : isLetter ? key.toUpperCase() : key;
  const isPlainSign = key.length === 1 && !isLetter && key !== " ";
  return [
    (event.ctrlKey || event.metaKey) && "Ctrl",
    event.altKey && "Alt",
    // The sign contains it already: `?`, `+`.
    event.shiftKey && !isPlainSign && "Shift",
    name,
  ]
    .filter(Boolean)
    .join("+");
}

/** Keys belong to a field that has the focus, and to an open dialog. */
function isTaken(target: EventTarget | null, name: string): boolean {
  if (!(target instanceof Element)) return false;
  if (document.querySelector("dialog[open]")) return true;
  if (
    target.closest(
      "input:not([type=range], [type=checkbox], [type=radio], [type=color]), textarea, select, [contenteditable]",
    )
  )
    return true;
  return (
    (name === "Space" || name === "Enter") &&
    target.closest("button, a, summary, [role=button], [role=tab]") !== null
  );
}

/** Returns the function that stops listening. */
export function listenToKeys(target: Document): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing) return;
    const name = keyName(event);
    if (isTaken(event.target, name)) return;
    for (const { id, keys } of commands.peek().values()) {
      if (!keys.includes(name)) continue;
      if (runCommand(id)) event.preventDefault();
      return;
    }
  };
  target.addEventListener("keydown", onKey);
  return () => target.removeEventListener("keydown", onKey);
}
