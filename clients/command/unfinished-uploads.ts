/** Addresses of unfinished uploads, so that another run of the command can continue them. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { VideoPath } from "./track-files.js";

/** Older addresses are dropped: servers delete an upload that receives no byte for half an hour. */
const MAX_ADDRESSES = 20;

export interface Unfinished {
  /** The address of an earlier run with the same server, path, size and time of change. */
  address?: string;
  keep(address: string): void;
  forget(): void;
}

/** Without access to the file of addresses nothing is kept, and each run starts anew. */
export async function openUnfinished(
  server: string,
  { path }: VideoPath,
  sizeBytes: number,
): Promise<Unfinished> {
  const { mtimeMs } = await stat(path);
  const key = createHash("sha256")
    .update(JSON.stringify([server, path, sizeBytes, mtimeMs]))
    .digest("hex");
  const address = read()[key];
  return {
    ...(typeof address === "string" && { address }),
    keep: (url) =>
      change((all) => Object.fromEntries([...Object.entries(all).slice(1 - MAX_ADDRESSES), [key, url]])),
    forget: () => change(({ [key]: _, ...others }) => others),
  };
}

function filePath(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(cache, "masklet", "uploads.json");
}

function read(): Record<string, string> {
  try {
    const all: unknown = JSON.parse(readFileSync(filePath(), "utf8"));
    return typeof all === "object" && all !== null ? (all as Record<string, string>) : {};
  } catch {
    return {};
  }
}

function change(edit: (all: Record<string, string>) => Record<string, string>): void {
  try {
    mkdirSync(dirname(filePath()), { recursive: true, mode: 0o700 });
    writeFileSync(filePath(), JSON.stringify(edit(read())), { mode: 0o600 });
  } catch {
    // A read-only home folder, for example.
  }
}
