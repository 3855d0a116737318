/** What the graphs of a pack have cost their process in time and memory, by role. */
export type GraphCosts = Record<string, GraphCost>;

export interface GraphCost {
  runs: number;
  /** Time inside ONNX Runtime. */
  ms: number;
  /** By how much the process's resident memory grew while the graph was opened and while it ran: weights and arenas. */
  memoryBytes: number;
}

export function sumOfCosts(a: GraphCosts, b: GraphCosts): GraphCosts {
  const sum = { ...a };
  for (const [role, { runs, ms, memoryBytes }] of Object.entries(b)) {
    const before = sum[role] ?? { runs: 0, ms: 0, memoryBytes: 0 };
    sum[role] = {
      runs: before.runs + runs,
      ms: before.ms + ms,
      memoryBytes: before.memoryBytes + memoryBytes,
    };
  }
  return sum;
}

/** What remains to be told of a process that has ended. */
export function costsWithoutMemory(costs: GraphCosts): GraphCosts {
  return Object.fromEntries(Object.entries(costs).map(([role, cost]) => [role, { ...cost, memoryBytes: 0 }]));
}
