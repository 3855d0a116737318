/** Threads of graphs that are started before a pack is known, so that it opens sooner. */
import { type GraphThread, startGraphThread } from "./graph-thread.js";

/** As many as there are graphs with a thread of their own, see `graphs.ts`. */
const COUNT = 2;

const spare: GraphThread[] = [];

export function startSpareThreads(): void {
  while (spare.length < COUNT) spare.push(startGraphThread());
}

/** A thread for one graph: a spare one, or a new one. */
export const takeThread = (): GraphThread => spare.pop() ?? startGraphThread();

/** Ends the threads that no graph took. */
export function endSpareThreads(): void {
  for (const thread of spare.splice(0)) thread.end();
}
