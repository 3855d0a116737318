/** The embedded pack, and copies of it for tests to change. */
import { createHash } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { Manifest } from "../../server/packs/manifest.js";

export const compactPackDir = fileURLToPath(new URL("../../packs/compact", import.meta.url));

export async function readManifest(directory: string): Promise<Manifest> {
  return JSON.parse(await readFile(path.join(directory, "manifest.json"), "utf8"));
}

export interface PackCopy {
  directory: string;
  path(name: string): string;
  editManifest(edit: (manifest: Manifest) => void): Promise<void>;
  /** Changes a file. With `resign` the manifest gets the new length and hash, so that the file passes their check. */
  editFile(name: string, edit: (bytes: Buffer) => Buffer, options?: { resign: boolean }): Promise<void>;
}

/** A copy of the compact pack in a temporary folder, removed when the test ends. */
export async function copyCompactPack(): Promise<PackCopy> {
  const directory = await mkdtemp(path.join(tmpdir(), "masklet-pack-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await cp(compactPackDir, directory, { recursive: true });
  const inside = (name: string) => path.join(directory, name);
  const editManifest: PackCopy["editManifest"] = async (edit) => {
    const manifest = await readManifest(directory);
    edit(manifest);
    await writeFile(inside("manifest.json"), JSON.stringify(manifest));
  };
  return {
    directory,
    path: inside,
    editManifest,
    async editFile(name, edit, { resign } = { resign: false }) {
      const bytes = edit(await readFile(inside(name)));
      await writeFile(inside(name), bytes);
      if (!resign) return;
      await editManifest(({ files }) => {
        const entry = files.find((file) => file.name === name);
        if (!entry) throw new Error(`the manifest lists no ${name}`);
        entry.bytes = bytes.length;
        entry.sha256 = createHash("sha256").update(bytes).digest("hex");
      });
    },
  };
}

/** Turns a copy into a pack that tracks prompted objects and detects nothing, like SAM 2.1 and EdgeTAM. */
export async function makeTrackerOnly(pack: PackCopy, id = "tracker-only"): Promise<void> {
  await pack.editManifest((manifest) => {
    manifest.id = id;
    manifest.graphs = manifest.graphs.filter(({ role }) => role !== "text" && role !== "detect");
    Object.assign(manifest.capabilities, { text: false, exemplars: false });
    delete manifest.detect;
    delete manifest.tokenizer;
  });
}

/** Replaces every occurrence of a string in a graph by one of the same length, which renames a tensor in valid protobuf. */
export function renamed(bytes: Buffer, from: string, to: string): Buffer {
  if (Buffer.byteLength(from) !== Buffer.byteLength(to)) throw new Error("the two names differ in length");
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(from); at >= 0; at = copy.indexOf(from, at + 1)) copy.write(to, at);
  return copy;
}
