/** An engine on a real pack, as the tests of its inference process use one. */
import type { Engine, EngineFrame, EnginePrompt } from "../../server/engine/index.js";

export const video = { width: 64, height: 48 };

export const phrase: EnginePrompt = { kind: "concept", text: "red circle", replace: false };

/** A grey frame of the size that the engine's pack takes. */
export function greyFrame({ pack }: Engine, index = 0): EngineFrame {
  return { index, rgb: new Uint8Array(pack.inputSize ** 2 * 3).fill(90) };
}

/** @throws Error between two processes */
export function workerPid(engine: Engine): number {
  const { workerPid: pid } = engine.stats();
  if (pid === null) throw new Error("there is no inference process");
  return pid;
}
