/** Every action of the page. Buttons, the keyboard and the sheet of keys read this registry. */
import { type ReadonlySignal, signal } from "@preact/signals";
import { messageOf } from "./message-of.js";
import { notify } from "./notices.js";

export const COMMAND_GROUPS = ["Bring", "Point", "Run", "See", "Mend", "Keep", "Take"] as const;

export interface Command {
  readonly id: string;
  readonly title: string;
  readonly group: (typeof COMMAND_GROUPS)[number];
  /** In the form `Ctrl+Shift+Z`, `ArrowLeft`, `?`. `Ctrl` also stands for Command on a Mac. The first one is displayed. */
  readonly keys: readonly string[];
  enabled(): boolean;
  run(): void | Promise<void>;
}

const registry = signal<ReadonlyMap<string, Command>>(new Map());

export const commands: ReadonlySignal<ReadonlyMap<string, Command>> = registry;

/**
 * Adds commands that exist as long as their part of the page. Returns the function that removes them.
 * @throws RangeError when another command has an id or a key of theirs.
 */
export function addCommands(added: readonly Command[]): () => void {
  const next = new Map(registry.peek());
  for (const command of added) {
    if (next.has(command.id)) throw new RangeError(`the command "${command.id}" exists already`);
    for (const other of next.values()) {
      const taken = other.keys.find((key) => command.keys.includes(key));
      if (taken) throw new RangeError(`${taken} of "${command.id}" is a key of "${other.id}" already`);
    }
    next.set(command.id, command);
  }
  registry.value = next;
  return () => {
    const left = new Map(registry.peek());
    for (const command of added) if (left.get(command.id) === command) left.delete(command.id);
    registry.value = left;
  };
}

/** Runs the command if it is enabled, and reports its failure. Returns whether it ran. */
export function runCommand(id: string): boolean {
  const command = registry.peek().get(id);
  if (!command?.enabled()) return false;
  void (async () => {
    try {
      await command.run();
    } catch (error) {
      notify({ kind: "error", title: `${command.title}: failed`, detail: messageOf(error) });
    }
  })();
  return true;
}
