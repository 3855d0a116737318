/** Time and memory used by each graph of a pack, by role. */
export type GraphCosts = Record<string, GraphCost>;

/** A thread of the inference process that runs graphs. Those of `main` run one after the other, also `detect`, see `graphs.ts`. */
export type GraphThread = "encode" | "main";

export interface GraphCost {
  thread: GraphThread;
  runs: number;
  /** Time inside ONNX Runtime. */
  ms: number;
  /** Growth of the process's resident memory while the graph was opened and while it ran: weights and arenas. */
  memoryBytes: number;
}

export function sumOfCosts(a: GraphCosts, b: GraphCosts): GraphCosts {
  const sum = { ...a };
  for (const [role, { thread, runs, ms, memoryBytes }] of Object.entries(b)) {
    const before = sum[role] ?? { runs: 0, ms: 0, memoryBytes: 0 };
    sum[role] = {
      thread,
      runs: before.runs + runs,
      ms: before.ms + ms,
      memoryBytes: before.memoryBytes + memoryBytes,
    };
  }
  return sum;
}

/** The graphs of one thread run one after the other, so that their times add up. */
export function secondsByThread(costs: GraphCosts): Record<GraphThread, number> {
  const seconds = { encode: 0, main: 0 };
  for (const { thread, ms } of Object.values(costs)) seconds[thread] += ms / 1000;
  return seconds;
}

/** The costs of a process that has ended: its memory is free again. */
export function costsWithoutMemory(costs: GraphCosts): GraphCosts {
  return Object.fromEntries(Object.entries(costs).map(([role, cost]) => [role, { ...cost, memoryBytes: 0 }]));
}
