/** Parses a command line, runs the command, and maps its result to an exit status. */
import { styleText } from "node:util";
import { CommanderError } from "commander";
import {
  EXIT_FAILURE,
  EXIT_INTERRUPTED,
  EXIT_NOTHING_FOUND,
  EXIT_PARTLY,
  EXIT_USAGE,
  NothingFoundError,
  PartlyError,
  StoppedError,
  UsageError,
} from "./errors.js";
import { createProgram } from "./program.js";

/** Runs one command to its end; resolves to the exit status. Never rejects. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  const program = createProgram();
  if (argv.length === 0) {
    process.stderr.write(program.helpInformation());
    return EXIT_USAGE;
  }
  try {
    await program.parseAsync(argv, { from: "user" });
    return 0;
  } catch (error) {
    return report(error);
  }
}

const STATUSES = [
  [UsageError, EXIT_USAGE],
  [NothingFoundError, EXIT_NOTHING_FOUND],
  [PartlyError, EXIT_PARTLY],
  [StoppedError, EXIT_INTERRUPTED],
] as const;

/** Writes the error on standard error and returns the exit status. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    printError(usageSentence(error.message));
    return EXIT_USAGE;
  }
  for (const [kind, status] of STATUSES) {
    if (!(error instanceof kind)) continue;
    printError(error.message);
    return status;
  }
  if (error instanceof DOMException && error.name === "AbortError") {
    printError("Stopped; the frames written so far are kept.");
    return EXIT_INTERRUPTED;
  }
  printError(error instanceof Error ? error.message : String(error));
  return EXIT_FAILURE;
}

/** "error: unknown option '--bx'\n(Did you mean --box?)" as one sentence. */
function usageSentence(message: string): string {
  const [first = "", hint] = message.replace(/^error: /, "").split("\n");
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1)}`.replace(/\.$/, "");
  const advice = hint ? ` ${hint}` : `; see masklet --help`;
  return `${sentence}${advice}.`;
}

function printError(sentence: string): void {
  // Without colours when standard error is no terminal, and with NO_COLOR.
  process.stderr.write(`${styleText("red", sentence, { stream: process.stderr })}\n`);
}
