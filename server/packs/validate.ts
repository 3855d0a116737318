/** Compares the names, types and shapes of a graph's tensors with the contract and reports the first difference. */
import type { GraphSpec, TensorSpec } from "./contract.js";

/** An input or output as the runtime reports it; an undeclared shape is empty. */
export interface TensorInfo {
  name: string;
  type: string;
  shape: readonly (number | string)[];
}

export interface GraphInfo {
  inputs: readonly TensorInfo[];
  outputs: readonly TensorInfo[];
}

/** The first difference of `found` from `spec`, as one sentence that starts with the file; undefined when there is none. */
export function firstMismatch(file: string, spec: GraphSpec, found: GraphInfo): string | undefined {
  return (
    firstMissing(file, "input", spec.inputs, found.inputs) ??
    firstUnknown(file, spec.inputs, found.inputs) ??
    firstMissing(file, "output", spec.outputs, found.outputs)
  );
}

type Direction = "input" | "output";

function firstMissing(
  file: string,
  direction: Direction,
  specs: readonly TensorSpec[],
  found: readonly TensorInfo[],
): string | undefined {
  for (const spec of specs) {
    const tensor = found.find(({ name }) => name === spec.name);
    if (!tensor) {
      if (spec.optional) continue;
      const names = found.map(({ name }) => name).join(", ") || "none";
      return `${file}: ${direction} "${spec.name}" is missing: expected ${describe(spec)}, found ${direction}s ${names}.`;
    }
    if (tensor.type !== spec.type || !shapeFits(direction, spec.shape, tensor.shape)) {
      return `${file}: ${direction} "${spec.name}" does not fit: expected ${describe(spec)}, found ${describe(tensor)}.`;
    }
  }
  return undefined;
}

/** An unknown input would never be fed, and the graph could not run. Unknown outputs are allowed; they are not fetched. */
function firstUnknown(
  file: string,
  specs: readonly TensorSpec[],
  found: readonly TensorInfo[],
): string | undefined {
  const unknown = found.find(({ name }) => !specs.some((spec) => spec.name === name));
  if (!unknown) return undefined;
  const names = specs.map(({ name }) => name).join(", ");
  return `${file}: input "${unknown.name}" is unknown: expected only ${names}, found ${describe(unknown)}.`;
}

function shapeFits(
  direction: Direction,
  spec: readonly (number | string)[],
  found: readonly (number | string)[],
): boolean {
  // Exporters omit the shapes of outputs that depend on data, such as the size of a rendered mask.
  if (direction === "output" && found.length === 0) return true;
  if (spec.length !== found.length) return false;
  return spec.every((dim, axis) => {
    const other = found[axis];
    // A dynamic dimension also accepts the constant. A constant in place of a dynamic dimension is an error.
    return typeof other === "string" || other === dim;
  });
}

function describe(tensor: { type: string; shape: readonly (number | string)[] }): string {
  return `${tensor.type} [${tensor.shape.map((dim) => (dim === "" ? "?" : dim)).join(", ")}]`;
}
