/** Prompts, frames and hooks for tests of the inference process with a real pack. */
import type { Engine, EngineFrame, EnginePrompt, SessionHooks } from "../../server/engine/index.js";

export const video = { width: 64, height: 48 };

export const phrase: EnginePrompt = { kind: "concept", text: "red circle", replace: false };

export const click: Extract<EnginePrompt, { kind: "object" }> = {
  kind: "object",
  points: [[0.5, 0.5]],
  labels: [1],
  clearOldPoints: true,
  clearOldBoxes: true,
};

/** A grey frame of the pack's input size. */
export function greyFrame({ pack }: Pick<Engine, "pack">, index = 0): EngineFrame {
  return { index, rgb: new Uint8Array(pack.inputSize ** 2 * 3).fill(90) };
}

/** A red square on grey ground, four pixels of the model's input further right on each frame. */
export function squareFrame({ pack }: Pick<Engine, "pack">, index = 0): EngineFrame {
  const side = pack.inputSize;
  const rgb = new Uint8Array(side * side * 3).fill(110);
  const left = side / 8 + 4 * index;
  for (let y = side / 4; y < (side * 3) / 4; y++) {
    for (let x = left; x < Math.min(left + side / 2, side); x++) rgb.set([220, 30, 30], (y * side + x) * 3);
  }
  return { index, rgb };
}

/** Hooks that replay frames from `frameAt`, the events that they received, and the number of frames of each replay. */
export function recordingHooks(frameAt: (index: number) => EngineFrame) {
  const events: string[] = [];
  const replays: number[] = [];
  const hooks: SessionHooks = {
    async *replayFrames(indices) {
      replays.push(indices.length);
      for (const index of indices) yield frameAt(index);
    },
    onRecovered: () => void events.push("recovered"),
    onLost: ({ code }) => void events.push(`lost: ${code}`),
  };
  return { hooks, events, replays };
}

/** @throws Error while no inference process runs, as during a restart */
export function workerPid(engine: Engine): number {
  const { workerPid: pid } = engine.stats();
  if (pid === null) throw new Error("there is no inference process");
  return pid;
}
