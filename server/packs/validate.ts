/** Compares the names, types and shapes of a graph's tensors with the contract and reports the differences. */
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

/** A difference from the contract. */
export interface Mismatch {
  file: string;
  tensor: string;
  expected: string;
  found: string;
  /** One sentence that starts with the file. */
  message: string;
}

/** The first difference of `found` from `spec`, as one sentence that starts with the file; undefined when there is none. */
export function firstMismatch(file: string, spec: GraphSpec, found: GraphInfo): string | undefined {
  return mismatches(file, spec, found)[0]?.message;
}

/** All differences: inputs of the contract, further inputs, outputs. */
export function mismatches(file: string, spec: GraphSpec, found: GraphInfo): Mismatch[] {
  return [
    ...specMismatches(file, "input", spec.inputs, found.inputs),
    ...unknownInputs(file, spec.inputs, found.inputs),
    ...specMismatches(file, "output", spec.outputs, found.outputs),
  ];
}

type Direction = "input" | "output";

function specMismatches(
  file: string,
  direction: Direction,
  specs: readonly TensorSpec[],
  found: readonly TensorInfo[],
): Mismatch[] {
  return specs.flatMap((spec) => {
    const tensor = found.find(({ name }) => name === spec.name);
    const place = { file, tensor: spec.name, expected: describe(spec) };
    if (!tensor) {
      if (spec.optional) return [];
      const names = `${direction}s ${found.map(({ name }) => name).join(", ") || "none"}`;
      const message = `${file}: ${direction} "${spec.name}" is missing: expected ${place.expected}, found ${names}.`;
      return [{ ...place, found: names, message }];
    }
    if (tensor.type === spec.type && shapeFits(direction, spec.shape, tensor.shape)) return [];
    const seen = describe(tensor);
    const message = `${file}: ${direction} "${spec.name}" does not fit: expected ${place.expected}, found ${seen}.`;
    return [{ ...place, found: seen, message }];
  });
}

/** An unknown input would never be fed, and the graph could not run. Unknown outputs are allowed; they are not fetched. */
function unknownInputs(file: string, specs: readonly TensorSpec[], found: readonly TensorInfo[]): Mismatch[] {
  const expected = `only ${specs.map(({ name }) => name).join(", ")}`;
  return found
    .filter(({ name }) => !specs.some((spec) => spec.name === name))
    .map((tensor) => {
      const seen = describe(tensor);
      const message = `${file}: input "${tensor.name}" is unknown: expected ${expected}, found ${seen}.`;
      return { file, tensor: tensor.name, expected, found: seen, message };
    });
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
