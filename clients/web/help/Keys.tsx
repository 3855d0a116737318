import { isMac, keyParts } from "./command.js";

/** A key and its modifiers. */
export function Keys({ value }: { value: string }) {
  return (
    <span class="keys">
      {keyParts(value, isMac(navigator.platform)).map((part) => (
        <kbd key={part}>{part}</kbd>
      ))}
    </span>
  );
}
