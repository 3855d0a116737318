/** How the table of commands describes a command. Parsing, help and completion use it. */

/** What an argument or the value of an option names, for completion. */
export type ValueKind = "file" | "folder" | "text";

export interface ArgumentSpec {
  /** `video`; in help `<video>`, or `[video]` when it is optional. */
  name: string;
  isOptional?: true;
  meaning: string;
  kind: ValueKind;
  /** All valid values. */
  values?: readonly string[];
}

export interface OptionSpec {
  /** `--text`. */
  flag: string;
  /** `phrase`; in help `--text <phrase>`. Absent: the option is a switch. */
  value?: string;
  isValueOptional?: true;
  meaning: string;
  isRepeatable?: true;
  isRequired?: true;
  kind?: ValueKind;
  /** All valid values. */
  values?: readonly string[];
}

export interface ExampleSpec {
  meaning: string;
  /** A line of a shell. */
  line: string;
}

export interface CommandSpec {
  name: string;
  meaning: string;
  arguments?: readonly ArgumentSpec[];
  options?: readonly OptionSpec[];
  examples?: readonly ExampleSpec[];
  /** A group of commands has neither arguments nor options. */
  commands?: readonly CommandSpec[];
  /**
   * @param values of the arguments; undefined for an optional one that is absent
   * @param options by their names in camelCase, as commander passes them
   * @param commands the table
   */
  // biome-ignore lint/suspicious/noExplicitAny: each command declares the types of its own options
  run?(values: (string | undefined)[], options: any, commands: readonly CommandSpec[]): Promise<void>;
}

/** The commands without groups, each with its words, such as `keys add`. */
export function leavesOf(
  commands: readonly CommandSpec[],
  before: readonly string[] = [],
): { words: string[]; command: CommandSpec }[] {
  return commands.flatMap((command) => {
    const words = [...before, command.name];
    return command.commands ? leavesOf(command.commands, words) : [{ words, command }];
  });
}
