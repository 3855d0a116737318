/** Verifies every rule of the Model Pack contract and reports all faults, where `openPack` ends at the first. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { packContract } from "./contract.js";
import { checkExternalData } from "./external-data.js";
import { fileFault } from "./files.js";
import { type Manifest, manifestFaults, parseManifest } from "./manifest.js";
import type { PackGraph } from "./pack.js";
import { openTokenizer } from "./tokenizer.js";
import { type GraphInfo, mismatches } from "./validate.js";

export interface PackFault {
  /** Of the pack, or `manifest.json`. */
  file: string;
  /** Of a graph. */
  tensor?: string;
  /** Field of the manifest. */
  field?: string;
  expected?: string;
  found?: string;
  /** One sentence with all of it. */
  message: string;
}

export interface PackCheck {
  /** A file, or a graph with its role. */
  subject: string;
  /** What is required. */
  rule: string;
  faults: readonly PackFault[];
}

/** Opens a graph and reports its tensors. @throws Error with one sentence */
export type InspectGraph = (graph: PackGraph) => Promise<GraphInfo>;

/** The checks in the order of their files. Graphs of damaged files are not opened. */
export async function verifyPackFolder(directory: string, inspect: InspectGraph): Promise<PackCheck[]> {
  const text = await readFile(path.join(directory, "manifest.json"), "utf8").catch(
    (error: NodeJS.ErrnoException) => error,
  );
  const rule = "the fields of a manifest, with every graph that the capabilities need";
  if (typeof text !== "string") {
    const message = `manifest.json: expected a file that can be read, found ${text.code}.`;
    return [{ subject: "manifest.json", rule, faults: [{ file: "manifest.json", message }] }];
  }
  const faults = manifestFaults(text);
  const checks: PackCheck[] = [{ subject: "manifest.json", rule, faults }];
  if (faults.length > 0) return checks;
  const manifest = parseManifest(text);
  const damaged = new Set<string>();
  for (const file of manifest.files) {
    const fault = await fileFault(directory, file);
    if (fault) damaged.add(file.name);
    checks.push({
      subject: file.name,
      rule: `inside the folder, ${file.bytes} bytes, SHA-256 ${file.sha256.slice(0, 12)}…`,
      faults: fault ? [fault] : [],
    });
  }
  for (const { role, file } of manifest.graphs) {
    if (!damaged.has(file)) checks.push(await checkGraph(directory, role, file, manifest, inspect));
  }
  const { tokenizer, geometry } = manifest;
  if (tokenizer !== undefined && geometry.L !== undefined && !damaged.has(tokenizer)) {
    const fault = await sentenceOf(openTokenizer(path.join(directory, tokenizer), tokenizer, geometry.L));
    checks.push({
      subject: tokenizer,
      rule: `a tokenizer for ${geometry.L} tokens`,
      faults: fault === undefined ? [] : [{ file: tokenizer, message: fault }],
    });
  }
  return checks;
}

async function checkGraph(
  directory: string,
  role: PackGraph["role"],
  file: string,
  manifest: Manifest,
  inspect: InspectGraph,
): Promise<PackCheck> {
  const spec = packContract(manifest)[role];
  const tensors = `${spec.inputs.length} inputs and ${spec.outputs.length} outputs`;
  const check = {
    subject: `${file} (${role})`,
    rule: `weights inside the folder, ${tensors} of the contract`,
  };
  // Before it is opened: a graph could read any file.
  const external = await sentenceOf(async () => checkExternalData(directory, file, manifest.files));
  if (external !== undefined) return { ...check, faults: [{ file, message: external }] };
  try {
    const found = await inspect({ role, name: file, path: path.join(directory, file) });
    return { ...check, faults: mismatches(file, spec, found) };
  } catch (error) {
    return { ...check, faults: [{ file, message: (error as Error).message }] };
  }
}

/** The message of a failure. */
async function sentenceOf(attempt: Promise<unknown> | (() => Promise<unknown>)): Promise<string | undefined> {
  try {
    await (typeof attempt === "function" ? attempt() : attempt);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
