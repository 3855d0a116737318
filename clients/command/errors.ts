/** The command line is invalid: exit status 2. The message is one sentence. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command line is valid, but the command failed: exit status 1. The message is one sentence. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** Tracking finished, but no frame has an object: exit status 3. The message states which prompts found nothing. */
export class NothingFoundError extends Error {
  override readonly name = "NothingFoundError";
}

/** Some of several inputs failed: exit status 4. The message is one sentence. */
export class PartlyError extends Error {
  override readonly name = "PartlyError";
}

/** A signal stopped the command: exit status 130. The message is one sentence. */
export class StoppedError extends Error {
  override readonly name = "StoppedError";
}

export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
export const EXIT_NOTHING_FOUND = 3;
export const EXIT_PARTLY = 4;
/** An exception that nothing caught: a fault of the program. The number is `EX_SOFTWARE` of sysexits(3). */
export const EXIT_FAULT = 70;
/** The status that a shell reports for a program that Ctrl+C ended. */
export const EXIT_INTERRUPTED = 130;
