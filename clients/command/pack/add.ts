/** `masklet pack add`: copies a pack into the data folder after it has passed every check. */
import { randomBytes } from "node:crypto";
import { copyFile, mkdir, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { inspectGraph } from "../../../server/engine/index.js";
import { verifyPackFolder } from "../../../server/packs/verify.js";
import { CommandError, UsageError } from "../errors.js";
import { printJson } from "../print-json.js";
import { findPacks, packsFolder, readPackManifest } from "./find.js";
import type { PackArguments } from "./list.js";
import { unpackArchive } from "./unpack.js";

/** @throws UsageError, CommandError; then the packs are as before */
export async function addPack(source: string, { data, replace, json }: PackArguments): Promise<void> {
  const folder = packsFolder(data);
  await mkdir(folder, { recursive: true }).catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError(
      `--data: expected a folder that can be written, got "${data ?? folder}" (${cause.code}).`,
      {
        cause,
      },
    );
  });
  // On the same file system as its place, so that the last step is a rename.
  const staging = join(folder, `.new-${process.pid}-${randomBytes(4).toString("hex")}`);
  try {
    await mkdir(staging);
    const from = await openSource(source, join(staging, "unpacked"));
    const pack = join(staging, "pack");
    await copyPack(from, pack);
    const faults = (await verifyPackFolder(pack, inspectGraph)).flatMap((check) => check.faults);
    if (faults.length > 0) {
      const more =
        faults.length > 1 ? ` (and ${faults.length - 1} more; masklet pack verify lists them)` : "";
      throw new CommandError(`${source} is not added: ${faults[0]?.message}${more}`);
    }
    const { id, version, files } = await readPackManifest(pack);
    const target = await place(pack, { id, folder, staging, data, replace: replace ?? false });
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    if (json) printJson({ name: id, version, folder: target, bytes });
    else
      process.stderr.write(
        `Added ${id} ${version} (${(bytes / 1e6).toFixed(1)} MB): masklet serve --pack ${id}\n`,
      );
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** A folder with a manifest: the source itself, an unpacked archive, or an installed npm package. */
async function openSource(source: string, unpacked: string): Promise<string> {
  const facts = await stat(source).catch(() => undefined);
  if (facts?.isDirectory()) return realpath(source);
  if (facts?.isFile()) {
    await unpackArchive(source, unpacked);
    return withManifest(unpacked, source);
  }
  const installed = await findInstalled(source);
  if (installed !== undefined) return installed;
  throw new UsageError(
    `SOURCE: expected a folder, an archive, or the name of an installed npm package, got "${source}".`,
  );
}

/** Archives often have one folder that contains everything. */
async function withManifest(folder: string, source: string): Promise<string> {
  const entries = await readdir(folder, { withFileTypes: true });
  if (entries.some(({ name }) => name === "manifest.json")) return folder;
  const [only, ...others] = entries;
  if (only?.isDirectory() && others.length === 0) return withManifest(join(folder, only.name), source);
  throw new CommandError(
    `${source} contains no manifest.json, neither outside folders nor in its only folder.`,
  );
}

const PACKAGE_NAME = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;

/** The package in the `node_modules` of this folder or of a folder above it; the pack is in its root or in its folder `pack`. */
async function findInstalled(name: string): Promise<string | undefined> {
  if (!PACKAGE_NAME.test(name)) return undefined;
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    for (const inside of [".", "pack"]) {
      const path = join(folder, "node_modules", name, inside);
      if (await stat(join(path, "manifest.json")).catch(() => undefined)) return realpath(path);
    }
    if (dirname(folder) === folder) return undefined;
  }
}

const PAPERS = /^(licen[cs]e|notice|readme)(\.\w+)?$/i;

/** Copies what the manifest lists, and licences. Links are followed inside the source only. */
async function copyPack(from: string, to: string): Promise<void> {
  const { files } = await readPackManifest(from).catch((cause: Error) => {
    throw new CommandError(cause.message, { cause });
  });
  const papers = (await readdir(from)).filter((name) => PAPERS.test(name));
  for (const name of new Set(["manifest.json", ...files.map((file) => file.name), ...papers])) {
    const path = await realpath(join(from, name)).catch(() => undefined);
    if (path === undefined || !(await stat(path)).isFile()) {
      throw new CommandError(`${name}: expected a file that manifest.json lists, it is missing.`);
    }
    if (!path.startsWith(resolve(from) + sep)) {
      throw new CommandError(`${name}: expected a file inside the pack's folder, it is a link out of it.`);
    }
    await mkdir(dirname(join(to, name)), { recursive: true });
    await copyFile(path, join(to, name));
  }
}

interface Place {
  id: string;
  folder: string;
  staging: string;
  data: string | undefined;
  replace: boolean;
}

/** Readers see the old pack, the new one, or for an instant none; never a part of one. */
async function place(pack: string, { id, folder, staging, data, replace }: Place): Promise<string> {
  if (!/^[A-Za-z0-9][\w.-]{0,99}$/.test(id)) {
    throw new CommandError(`manifest.json: id: expected letters, digits, ".", "_" and "-", got "${id}".`);
  }
  const existing = (await findPacks(data)).find(({ name }) => name === id);
  if (existing?.isEmbedded)
    throw new CommandError(`${id} is the name of an embedded pack; choose another id.`);
  const target = join(folder, id);
  if (existing) {
    if (!replace) throw new CommandError(`${target} exists; --replace replaces it.`);
    await rename(target, join(staging, "old"));
  }
  await rename(pack, target).catch(async (cause: NodeJS.ErrnoException) => {
    if (existing) await rename(join(staging, "old"), target).catch(() => {});
    throw new CommandError(`${target} cannot be written (${cause.code}).`, { cause });
  });
  return target;
}
