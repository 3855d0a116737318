/** Prepares ffmpeg and ffprobe when a server starts, and describes them. */
import { ffmpegPath, ffprobePath } from "./binaries.js";
import { isolates, type SandboxMode, useSandbox } from "./box/choose.js";
import type { BoxKind } from "./box/launchers.js";
import type { ToolName } from "./tool-errors.js";
import { isOld, type ToolFacts, toolFacts } from "./tool-facts.js";

export interface MediaTools {
  /** Null for a tool that cannot be run: requests for videos fail with its error. */
  ffmpeg: ToolFacts | null;
  ffprobe: ToolFacts | null;
  sandbox: BoxKind;
}

export interface ToolsLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

/**
 * Chooses the box of the tools, and logs it together with their versions. Logs a warning for tools that are old, that cannot be
 * run, or that keep access to the network.
 *
 * @throws Error in the mode `required` when no box without network works
 */
export async function prepareTools(mode: SandboxMode, log: ToolsLog): Promise<MediaTools> {
  const { closed, reasons } = await useSandbox(mode);
  const [ffmpeg, ffprobe] = await Promise.all([
    describeTool("ffmpeg", ffmpegPath, log),
    describeTool("ffprobe", ffprobePath, log),
  ]);
  const sandbox = closed.kind;
  log.info({ ffmpeg: ffmpeg?.version, ffprobe: ffprobe?.version, sandbox }, "media tools");
  if (!isolates(sandbox)) log.warn({ sandbox, reasons }, "ffmpeg and ffprobe keep access to the network");
  return { ffmpeg, ffprobe, sandbox };
}

async function describeTool(name: ToolName, path: () => string, log: ToolsLog): Promise<ToolFacts | null> {
  let facts: ToolFacts;
  try {
    facts = await toolFacts(path(), name);
  } catch (error) {
    log.warn({ error }, `${name} cannot be run`);
    return null;
  }
  const { version, year } = facts;
  if (isOld(facts, new Date().getFullYear())) {
    const variable = `${name.toUpperCase()}_PATH`;
    log.warn({ version, year }, `${name} is an old build without recent security fixes; set ${variable}`);
  }
  return facts;
}
