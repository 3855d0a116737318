/** Checks the weights that a graph stores in other files: they must lie in files of the pack that are long enough. */
import path from "node:path";
import type { Manifest } from "./manifest.js";
import { type ExternalTensor, externalTensors } from "./onnx-file.js";

/**
 * Checks that every other file that a graph reads is one of the manifest's files, and that it has the bytes that the graph
 * reads. `checkFiles` compares the lengths and hashes of the manifest's files.
 * @param graph the graph's file, as the manifest names it
 * @throws Error with one sentence that names the graph, the tensor, the location found and the location expected.
 */
export function checkExternalData(directory: string, graph: string, files: Manifest["files"]): void {
  for (const external of externalTensors(path.join(directory, graph), graph)) {
    const problem = locationProblem(external, graph, files);
    if (problem) throw new Error(`${graph}: tensor "${external.tensor}" ${problem}.`);
  }
}

function locationProblem(
  { location, offset, length }: ExternalTensor,
  graph: string,
  files: Manifest["files"],
): string | undefined {
  const where = `has its values in "${location}"`;
  const inside = path.posix.normalize(path.posix.join(path.posix.dirname(graph), location));
  if (/^([/\\]|[a-z]:)/i.test(location) || inside === ".." || inside.startsWith("../")) {
    return `${where}: expected a file inside the pack's folder`;
  }
  const file = files.find(({ name }) => path.posix.normalize(name) === inside);
  if (!file) return `${where}: expected a file that manifest.json lists with length and hash`;
  const end = offset + (length ?? 0);
  // Also rejects NaN and negative numbers.
  if (!(offset >= 0 && end >= offset && end <= file.bytes)) {
    return `${where} at byte ${offset}, ${length ?? "an unknown number of"} bytes long: expected an end within its ${file.bytes} bytes`;
  }
  return undefined;
}
