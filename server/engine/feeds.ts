/** Checks the inputs of a run against the inputs that the graph declares. */
import type { Tensor } from "../../detector/graph.js";
import type { TensorInfo } from "../packs/validate.js";

/** @throws Error that names every missing and unknown input, or the first of a wrong type or shape. */
export function checkFeeds(
  role: string,
  expected: readonly TensorInfo[],
  inputs: Record<string, Tensor>,
): void {
  const missing = expected.filter(({ name }) => !(name in inputs)).map(({ name }) => name);
  const unknown = Object.keys(inputs).filter((name) => !expected.some((tensor) => tensor.name === name));
  if (missing.length > 0 || unknown.length > 0) {
    const parts = [
      missing.length > 0 && `missing ${missing.join(", ")}`,
      unknown.length > 0 && `unknown ${unknown.join(", ")}`,
    ];
    throw new Error(`Wrong inputs for the graph "${role}": ${parts.filter(Boolean).join("; ")}.`);
  }
  for (const tensor of expected) {
    const fed = inputs[tensor.name] as Tensor;
    const fits =
      fed.type === tensor.type &&
      fed.dims.length === tensor.shape.length &&
      tensor.shape.every((dim, axis) => typeof dim === "string" || dim === fed.dims[axis]);
    if (!fits) {
      throw new Error(
        `Wrong input "${tensor.name}" for the graph "${role}": expected ${tensor.type} [${tensor.shape.join(", ")}], ` +
          `fed ${fed.type} [${fed.dims.join(", ")}].`,
      );
    }
    const length = fed.dims.reduce((product, dim) => product * dim, 1);
    if (fed.data.length !== length) {
      throw new Error(
        `Wrong input "${tensor.name}" for the graph "${role}": [${fed.dims.join(", ")}] needs ${length} values, ` +
          `fed ${fed.data.length}.`,
      );
    }
  }
}

export function describeFeeds(inputs: Record<string, Tensor>): string {
  return Object.entries(inputs)
    .map(([name, { type, dims }]) => `${name} ${type} [${dims.join(", ")}]`)
    .join(", ");
}
