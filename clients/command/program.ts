/** The parser of the command line and the texts of `--help`, from the table of commands. */
import { createRequire } from "node:module";
import { styleText } from "node:util";
import { Argument, Command, Option } from "commander";
import type { ArgumentSpec, CommandSpec, ExampleSpec, OptionSpec } from "./command-spec.js";
import { COMMANDS } from "./table.js";

const { version } = createRequire(import.meta.url)("masklet/package.json") as { version: string };

/** @param commands a test can pass commands that do nothing */
export function createProgram(commands: readonly CommandSpec[] = COMMANDS): Command {
  const program = new Command("masklet")
    .description("Segments and tracks objects in video, by clicks, boxes or phrases.")
    .version(version)
    .addHelpText("after", "\nmasklet <command> --help shows examples. docs/cli.md lists exit statuses.");
  configure(program);
  for (const spec of commands) addCommand(program, spec, commands);
  return program;
}

/** Subcommands inherit it when they are created. */
function configure(command: Command): void {
  command
    .exitOverride()
    .configureOutput({
      // `report` of cli.ts writes these errors in the form of all others.
      outputError: () => {},
    })
    .configureHelp({
      // Commander removes the colours where the stream is no terminal, and with NO_COLOR.
      styleTitle: (title) => styleText("bold", title, { validateStream: false }),
      styleOptionText: (text) => styleText("cyan", text, { validateStream: false }),
      styleSubcommandText: (text) => styleText("cyan", text, { validateStream: false }),
    });
}

function addCommand(parent: Command, spec: CommandSpec, table: readonly CommandSpec[]): void {
  const command = parent.command(spec.name).description(spec.meaning);
  for (const sub of spec.commands ?? []) addCommand(command, sub, table);
  for (const argument of spec.arguments ?? []) command.addArgument(toArgument(argument));
  for (const option of spec.options ?? []) command.addOption(toOption(option));
  if (spec.examples) command.addHelpText("after", `\n${describeExamples(spec.examples)}`);
  const { run } = spec;
  if (!run) return;
  command.action((...given: unknown[]) => {
    const values = given.slice(0, spec.arguments?.length ?? 0) as (string | undefined)[];
    return run(values, command.opts(), table);
  });
}

/** The commands check the values: their errors state what is expected. */
function toArgument({ name, isOptional, meaning }: ArgumentSpec): Argument {
  return new Argument(isOptional ? `[${name}]` : `<${name}>`, meaning);
}

function toOption(spec: OptionSpec): Option {
  const repeatable = spec.isRepeatable ? ", repeatable" : "";
  const option = new Option(flagsOf(spec), spec.meaning + repeatable);
  if (spec.isRepeatable) option.argParser(collect);
  return option.makeOptionMandatory(spec.isRequired ?? false);
}

/** `--text <phrase>` or `--data [folder]`. */
export function flagsOf({ flag, value, isValueOptional }: OptionSpec): string {
  if (value === undefined) return flag;
  return isValueOptional ? `${flag} [${value}]` : `${flag} <${value}>`;
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

function describeExamples(examples: readonly ExampleSpec[]): string {
  const title = examples.length === 1 ? "Example:" : "Examples:";
  return [title, ...examples.map(({ meaning, line }) => `  # ${meaning}\n  ${line}`)].join("\n");
}
