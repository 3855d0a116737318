/** Compares a graph with the contract: names, types and shapes. Reports the first difference. */
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

/** The first way in which `found` breaks `spec`, as one sentence that starts with the file; undefined when it fits. */
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

/** No input that the contract lacks can be fed. Other outputs are allowed: they are never fetched. */
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
  // Exporters lose the shapes of outputs that depend on data (the size of a rendered mask).
  if (direction === "output" && found.length === 0) return true;
  if (spec.length !== found.length) return false;
  return spec.every((dim, axis) => {
    const other = found[axis];
    // A symbolic dimension accepts any size; a fixed one accepts only itself.
    return typeof other === "string" || other === dim;
  });
}

function describe(tensor: { type: string; shape: readonly (number | string)[] }): string {
  return `${tensor.type} [${tensor.shape.map((dim) => (dim === "" ? "?" : dim)).join(", ")}]`;
}
