/** A model pack on disk: manifest, graphs and tokenizer, checked before any graph runs. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { checkExternalData } from "./external-data.js";
import { checkFiles } from "./files.js";
import { type GraphRole, type Manifest, parseManifest } from "./manifest.js";
import { openTokenizer, type Tokenize } from "./tokenizer.js";

export interface PackGraph {
  role: GraphRole;
  /** The file's name in the manifest, for messages. */
  name: string;
  /** Path of the file. */
  path: string;
}

export interface Pack {
  manifest: Manifest;
  /** SHA-256 of the manifest, which lists the hashes of all files; hexadecimal. */
  hash: string;
  graphs: readonly PackGraph[];
  /** Present in packs with text or exemplars. */
  tokenize?: Tokenize;
}

/**
 * Reads a pack and checks its manifest and files. The tensors of a graph are checked when it is opened.
 * @throws Error with one sentence about the first fault.
 */
export async function openPack(directory: string): Promise<Pack> {
  const text = await readFile(path.join(directory, "manifest.json"), "utf8").catch((error: Error) => {
    throw new Error(`manifest.json cannot be read: ${error.message}`);
  });
  const manifest = parseManifest(text);
  const hash = createHash("sha256").update(text).digest("hex");
  await checkFiles(directory, manifest.files);
  for (const { file } of manifest.graphs) checkExternalData(directory, file, manifest.files);
  const graphs = manifest.graphs.map(({ role, file }) => ({
    role,
    name: file,
    path: path.join(directory, file),
  }));
  const { tokenizer, geometry } = manifest;
  if (tokenizer === undefined || geometry.L === undefined) return { manifest, hash, graphs };
  return {
    manifest,
    hash,
    graphs,
    tokenize: await openTokenizer(path.join(directory, tokenizer), tokenizer, geometry.L),
  };
}
