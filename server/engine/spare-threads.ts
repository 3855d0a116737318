/** Threads of graphs that are started before a pack is known, so that it opens sooner. */
import { type GraphThread, startGraphThread } from "./graph-thread.js";

/** As many as there are graphs with a thread of their own, see `graphs.ts`. Those that a pack does not need stay idle. */
const COUNT = 2;

const spare: GraphThread[] = [];

export function startSpareThreads(): void {
  while (spare.length < COUNT) spare.push(startGraphThread());
}

/** A thread for one graph: a spare one, or a new one. */
export const takeThread = (): GraphThread => spare.pop() ?? startGraphThread();
