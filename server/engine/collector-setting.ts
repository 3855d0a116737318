/** Setting of V8's garbage collector in the inference process. */
import { setFlagsFromString } from "node:v8";

/**
 * The memory in use, tensors included, grows by so many percent before the next collection. By default, V8 collects about every
 * three frames, because it counts the tensors, and needs a twentieth of the processor time for it. Higher: fewer collections, and
 * more memory that waits for the next one. A version of V8 without this flag ignores it.
 */
const HEAP_GROWING_PERCENT = 300;

/** To be called before the process allocates much. */
export function collectLessOften(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
}
