/**
 * A pack's graphs, opened and checked against the contract. `encode` runs in its own thread: it needs only a picture, so the
 * next frame is encoded while the other graphs process the current one. `detect` has a thread because it takes longest to
 * open: the others, which run in this thread, are opened meanwhile. It still runs in turn with them.
 */
import { memoryUsage } from "node:process";
import type { GraphRole, RunGraph } from "../../detector/graph.js";
import { packContract } from "../packs/contract.js";
import type { Pack, PackGraph } from "../packs/pack.js";
import { firstMismatch } from "../packs/validate.js";
import { EngineError } from "./engine.js";
import { checkFeeds, describeFeeds } from "./feeds.js";
import type { GraphCost, GraphCosts, GraphThread } from "./graph-costs.js";
import {
  type GraphOptions,
  type GraphRun,
  loadRuntime,
  type OpenGraph,
  openGraph,
  type ProvidersTried,
} from "./onnx.js";
import { takeThread } from "./spare-threads.js";
import type { SessionTurns } from "./turns.js";

export interface OpenGraphs {
  /** Runs a graph at once: nothing else may run in its thread. */
  run: RunGraph;
  /** Runs each graph in a turn of a session. */
  inTurns(turns: SessionTurns): RunGraph;
  /** The provider in use, by role. */
  providers: Partial<Record<GraphRole, string>>;
  /** Names of the inputs, by role. */
  inputs: Partial<Record<GraphRole, readonly string[]>>;
  /** Names of the outputs, by role. */
  outputs: Partial<Record<GraphRole, readonly string[]>>;
  /** Since the graphs were opened. */
  costs: GraphCosts;
}

const THREADED: ReadonlySet<GraphRole> = new Set<GraphRole>(["encode", "detect"]);

/**
 * Opens all graphs of a pack and checks each against the contract.
 * @throws Error with one sentence that names the first graph with a fault, and what is wrong with it.
 */
export async function openGraphs(pack: Pack, options: GraphOptions): Promise<OpenGraphs> {
  const threads = new Map(
    pack.graphs.filter(({ role }) => THREADED.has(role)).map(({ role }) => [role, takeThread()]),
  );
  // Before memory is measured, and with telemetry off, which a thread cannot turn off.
  await loadRuntime();
  const contract = packContract(pack.manifest);
  const open = new Map<GraphRole, OpenGraph & { spent: GraphCost }>();
  const tried: ProvidersTried = new Map();
  const resident = createResidentMeter();
  const failures = new Map<GraphRole, Error>();

  async function openOne(graph: PackGraph): Promise<void> {
    const { name, role } = graph;
    resident.begin();
    try {
      const opened = await (threads.get(role) ?? { open: openGraph }).open(graph, options, tried);
      const spent = { thread: threadOf(role), runs: 0, ms: 0, memoryBytes: 0 };
      open.set(role, { ...opened, spent });
      const mismatch = firstMismatch(name, contract[role], opened);
      if (mismatch) throw new Error(mismatch);
    } catch (error) {
      failures.set(role, error as Error);
    }
    const memoryBytes = resident.end();
    const spent = open.get(role)?.spent;
    if (spent) spent.memoryBytes = memoryBytes;
  }

  const [first, ...rest] = pack.graphs;
  // The first graph finds out which providers work. The CPU always does.
  const isFirstAlone = first !== undefined && options.providers.some((provider) => provider !== "cpu");
  if (isFirstAlone) await openOne(first);
  const others = failures.size > 0 ? [] : isFirstAlone ? rest : pack.graphs;
  const inThreads = others.filter(({ role }) => threads.has(role)).map(openOne);
  for (const graph of others) {
    if (failures.size > 0) break;
    if (!threads.has(graph.role)) await openOne(graph);
  }
  await Promise.all(inThreads);
  for (const { role } of pack.graphs) {
    const failure = failures.get(role);
    if (failure) throw failure;
  }

  async function run(...[role, inputs, fetch]: Parameters<RunGraph>): Promise<GraphRun> {
    const graph = open.get(role);
    if (!graph) throw new Error(`This pack has no graph "${role}".`);
    checkFeeds(role, graph.inputs, inputs);
    const { spent } = graph;
    resident.begin();
    try {
      const done = await graph.run(inputs, fetch);
      spent.ms += done.ms;
      return done;
    } catch (error) {
      throw new EngineError(
        "engine_failed",
        `The graph "${role}" failed on ${describeFeeds(inputs)}: ${(error as Error).message}`,
      );
    } finally {
      spent.runs += 1;
      spent.memoryBytes += resident.end();
    }
  }

  const graphs = pack.graphs.map(
    ({ role }) => [role, open.get(role) as OpenGraph & { spent: GraphCost }] as const,
  );
  return {
    run: async (...call) => (await run(...call)).outputs,
    inTurns: (turns) => async (role, inputs, fetch) => {
      const lane = threadOf(role);
      const work = () => run(role, inputs, fetch);
      // A turn in this thread is measured with the code around the graph.
      const done = await (lane === "encode"
        ? turns.take(lane, work, ({ ms }) => ms)
        : turns.take(lane, work));
      return done.outputs;
    },
    providers: Object.fromEntries(graphs.map(([role, { provider }]) => [role, provider])),
    inputs: Object.fromEntries(graphs.map(([role, { inputs }]) => [role, inputs.map(({ name }) => name)])),
    outputs: Object.fromEntries(graphs.map(([role, { outputs }]) => [role, outputs.map(({ name }) => name)])),
    costs: Object.fromEntries(graphs.map(([role, { spent }]) => [role, spent])),
  };
}

const threadOf = (role: GraphRole): GraphThread => (role === "encode" ? "encode" : "main");

/**
 * Measures the growth of the process between `begin` and `end`. Of graphs that run or open at once, the first to end
 * is charged for the growth of all until then: every byte is counted once, and the sum is exact.
 */
function createResidentMeter() {
  let running = 0;
  let seenBytes = 0;
  return {
    begin() {
      if (running === 0) seenBytes = memoryUsage.rss();
      running += 1;
    },
    end(): number {
      const before = seenBytes;
      seenBytes = memoryUsage.rss();
      running -= 1;
      return seenBytes - before;
    },
  };
}
