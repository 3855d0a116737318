/** The options of `masklet batch`. */
import type { ExportFormat } from "../../../server/exports/format.js";
import { EXPORT_FORMATS } from "../../../server/exports/formats.js";
import { planExport } from "../../../server/exports/plan.js";
import { UsageError } from "../errors.js";
import { parseFormatOptions } from "../format-options.js";
import { parseServer, readKey } from "../track-options.js";
import type { ServerAddress } from "../track-session.js";

/** The options as commander passes them. */
export interface BatchArguments {
  text?: string[];
  format?: string;
  out?: string;
  option?: string[];
  recursive?: boolean;
  pictures?: string;
  dryRun?: boolean;
  server?: string;
  key?: string;
  json?: boolean;
}

/** Which pictures are an image of their own, and which are frames of one clip. */
export const PICTURES_AS = ["each", "clip", "numbered"] as const;
export type PicturesAs = (typeof PICTURES_AS)[number];

export interface BatchJob {
  /** Without duplicates, in the order of the command line, which is that of the categories. */
  phrases: string[];
  format: ExportFormat & Required<Pick<ExportFormat, "collection">>;
  options: Record<string, unknown>;
  out?: string;
  isRecursive: boolean;
  picturesAs: PicturesAs;
  isDryRun: boolean;
  /** Absent: a server is started. */
  server?: ServerAddress;
  isJson: boolean;
}

/** @throws UsageError naming the option, what was seen and what was expected */
export function readBatchJob(given: BatchArguments): BatchJob {
  const { text = [], format: formatId = "coco", out, option = [], pictures = "each" } = given;
  const phrases = [...new Set(text.map((phrase) => phrase.trim()))];
  if (phrases.length === 0) throw new UsageError("--text: expected at least one phrase.");
  if (phrases.includes(""))
    throw new UsageError('--text: expected a phrase such as "dog", got an empty one.');
  const picturesAs = PICTURES_AS.find((one) => one === pictures);
  if (!picturesAs) throw new UsageError(`--pictures: expected ${PICTURES_AS.join(", ")}, got "${pictures}".`);
  if (out === "-") throw new UsageError("--out: expected a file, got -.");
  if (given.key !== undefined && given.server === undefined) {
    throw new UsageError("--key: expected only with --server.");
  }
  return {
    phrases,
    ...readFormat(formatId, option),
    ...(out !== undefined && { out }),
    isRecursive: given.recursive ?? false,
    picturesAs,
    isDryRun: given.dryRun ?? false,
    ...(given.server !== undefined && {
      server: { address: parseServer(given.server), key: readKey(given.key) },
    }),
    isJson: given.json ?? false,
  };
}

function readFormat(formatId: string, given: readonly string[]): Pick<BatchJob, "format" | "options"> {
  const able = EXPORT_FORMATS.filter(({ collection }) => collection).map(({ id }) => id);
  if (!able.includes(formatId)) {
    throw new UsageError(`--format: expected ${able.join(" or ")}, got "${formatId}".`);
  }
  const query = parseFormatOptions(given);
  try {
    const { format, options } = planExport(formatId, query);
    return { format: format as BatchJob["format"], options };
  } catch (cause) {
    throw new UsageError(`--option: ${(cause as Error).message}.`, { cause });
  }
}
