/**
 * The interface to the graphs of a model pack: plain tensors in, plain tensors out. The implementation of {@link RunGraph}
 * owns the runtime; `detector/` and `tracker/` do not import it.
 */

export type TensorData = Float32Array | Int32Array | Uint8Array;

/** Row-major. `data` contains exactly the product of `dims` values. A dimension may be 0. */
export interface Tensor {
  type: "float32" | "int32" | "uint8";
  dims: readonly number[];
  data: TensorData;
}

/** The graphs of a pack; the pack contract documents their inputs and outputs. */
export type GraphRole = "encode" | "text" | "detect" | "segment" | "seed" | "track" | "remember" | "render";

/**
 * Runs one graph of the pack.
 * @param fetch names of the outputs to return; other outputs are neither copied nor returned
 */
export type RunGraph = (
  role: GraphRole,
  inputs: Record<string, Tensor>,
  fetch: readonly string[],
) => Promise<Record<string, Tensor>>;

/** Features of one frame, as returned by `encode`. */
export interface FrameFeatures {
  /** float32 [1, D, g, g] */
  feat: Tensor;
  /** float32 [1, D/4, 2g, 2g] */
  feat_s1: Tensor;
  /** float32 [1, D/8, 4g, 4g] */
  feat_s0: Tensor;
  /** float32 [1, Ct, g, g]; only on frames that are encoded for detection. */
  trunk?: Tensor;
}

export function float32(dims: readonly number[], data: Float32Array): Tensor {
  return { type: "float32", dims, data };
}

export function int32(dims: readonly number[], data: Int32Array): Tensor {
  return { type: "int32", dims, data };
}

/**
 * The values of a float32 output.
 * @throws Error when the graph did not return it
 */
export function floats(outputs: Record<string, Tensor>, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`the graph returned no float32 tensor "${name}"`);
  return data;
}

/** The values of an int32 output; see {@link floats}. */
export function ints(outputs: Record<string, Tensor>, name: string): Int32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Int32Array)) throw new Error(`the graph returned no int32 tensor "${name}"`);
  return data;
}

/** An output as a tensor, for use as an input of another graph. @throws Error when the graph did not return it */
export function tensor(outputs: Record<string, Tensor>, name: string): Tensor {
  const found = outputs[name];
  if (!found) throw new Error(`the graph returned no tensor "${name}"`);
  return found;
}
