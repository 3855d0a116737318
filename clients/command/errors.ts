/** What the person typed cannot be done: exit status 2. The message is one sentence. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What was asked for is fine, and yet it failed: exit status 1. The message is one sentence. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
/** As a shell reports a program that Ctrl+C ended. */
export const EXIT_INTERRUPTED = 130;
