/**
 * The only import of ONNX Runtime: opens a pack's graphs and runs them.
 *
 * `run()` of onnxruntime-node holds its thread until the graph is done, so this belongs in a process that serves no
 * sockets. Inputs are read in place; every fetched output is copied, so callers fetch only what they use.
 */
import { availableParallelism } from "node:os";
import { memoryUsage } from "node:process";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { GraphRole, RunGraph, Tensor } from "../../detector/graph.js";
import { packContract } from "../packs/contract.js";
import type { Pack, PackGraph } from "../packs/pack.js";
import { firstMismatch, type GraphInfo } from "../packs/validate.js";
import { EngineError } from "./engine.js";
import { checkFeeds, describeFeeds } from "./feeds.js";
import type { GraphCost, GraphCosts } from "./graph-costs.js";

export interface GraphOptions {
  /** Execution providers in order of preference, such as "cuda" or "cpu". */
  providers: readonly string[];
  /** Threads of the large graphs; 0 chooses by the machine. */
  threads: number;
  /** Told about each provider that could not start. */
  warn: (message: string) => void;
}

export interface OpenGraphs {
  run: RunGraph;
  /** The provider in use, by role. */
  providers: Partial<Record<GraphRole, string>>;
  /** Names of the outputs, by role. */
  outputs: Partial<Record<GraphRole, readonly string[]>>;
  /** Since the graphs were opened. */
  costs: GraphCosts;
}

interface OpenGraph extends GraphInfo {
  session: InferenceSession;
  provider: string;
  spent: GraphCost;
}

/**
 * Opens all graphs of a pack and holds each against the contract.
 * @throws Error with one sentence that names the graph and what is wrong with it.
 */
export async function openGraphs(pack: Pack, options: GraphOptions): Promise<OpenGraphs> {
  const contract = packContract(pack.manifest);
  const open = new Map<GraphRole, OpenGraph>();
  const tried = new Map<string, boolean>();
  for (const graph of pack.graphs) {
    const opened = await openGraph(graph, options, tried);
    const mismatch = firstMismatch(graph.name, contract[graph.role], opened);
    if (mismatch) throw new Error(mismatch);
    open.set(graph.role, opened);
  }
  const run: RunGraph = async (role, inputs, fetch) => {
    const graph = open.get(role);
    if (!graph) throw new Error(`This pack has no graph "${role}".`);
    checkFeeds(role, graph.inputs, inputs);
    return runGraph(role, graph, inputs, fetch);
  };
  const graphs = [...open];
  return {
    run,
    providers: Object.fromEntries(graphs.map(([role, { provider }]) => [role, provider])),
    outputs: Object.fromEntries(graphs.map(([role, { outputs }]) => [role, outputs.map(({ name }) => name)])),
    costs: Object.fromEntries(graphs.map(([role, { spent }]) => [role, spent])),
  };
}

/**
 * A provider that cannot start throws even when another follows in its list, so they are tried one by one.
 * @param tried whether a provider has opened a graph before; one that failed on its first graph is not tried again
 */
async function openGraph(
  graph: PackGraph,
  options: GraphOptions,
  tried: Map<string, boolean>,
): Promise<OpenGraph> {
  // Rendering masks is tiny and its result is wanted in main memory, so it stays on the CPU.
  const candidates = graph.role === "render" ? ["cpu"] : options.providers;
  const reasons: string[] = [];
  for (const provider of candidates) {
    if (tried.get(provider) === false) continue;
    try {
      const residentBytes = memoryUsage.rss();
      const session = await InferenceSession.create(graph.path, {
        ...sessionOptions(graph.role, options.threads),
        executionProviders: [provider],
      });
      tried.set(provider, true);
      return {
        session,
        provider,
        spent: { runs: 0, ms: 0, memoryBytes: memoryUsage.rss() - residentBytes },
        inputs: describe(session.inputMetadata),
        outputs: describe(session.outputMetadata),
      };
    } catch (error) {
      if (!tried.has(provider)) tried.set(provider, false);
      const reason = oneLine(error);
      reasons.push(`${provider}: ${reason}`);
      options.warn(`The provider "${provider}" could not open ${graph.name}: ${reason}`);
    }
  }
  throw new Error(`${graph.name}: no configured provider could open it (${reasons.join("; ")}).`);
}

const smallRoles: ReadonlySet<GraphRole> = new Set<GraphRole>(["text", "render"]);

function sessionOptions(role: GraphRole, threads: number): InferenceSession.SessionOptions {
  const cores = availableParallelism();
  // Beyond four, every second logical core is usually the other half of a physical one.
  const large = threads || (cores > 4 ? Math.ceil(cores / 2) : cores);
  return {
    graphOptimizationLevel: "all",
    intraOpNumThreads: smallRoles.has(role) ? Math.min(2, large) : large,
    interOpNumThreads: 1,
    // Only the image has one size for ever; a pattern is kept for each combination of the sizes that vary.
    enableMemPattern: role === "encode",
    // Several graphs take turns, and their idle threads should not turn in place of those that work.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
    logSeverityLevel: 3,
  };
}

function describe(metadata: readonly InferenceSession.ValueMetadata[]): GraphInfo["inputs"] {
  return metadata.map((value) =>
    value.isTensor
      ? { name: value.name, type: value.type, shape: value.shape }
      : { name: value.name, type: "not a tensor", shape: [] },
  );
}

async function runGraph(
  role: GraphRole,
  { session, spent }: OpenGraph,
  inputs: Record<string, Tensor>,
  fetch: readonly string[],
): Promise<Record<string, Tensor>> {
  const feeds: Record<string, OrtTensor> = {};
  for (const [name, { type, data, dims }] of Object.entries(inputs))
    feeds[name] = new OrtTensor(type, data, dims);
  let start = performance.now();
  let residentBytes = memoryUsage.rss();
  // The runtime starts in its own immediate, behind this one; what runs before them is not its doing.
  setImmediate(() => {
    start = performance.now();
    residentBytes = memoryUsage.rss();
  });
  try {
    const results = await session.run(feeds, fetch);
    const tensors: Record<string, Tensor> = {};
    for (const name of fetch) {
      const { type, dims, data } = results[name] as OrtTensor;
      tensors[name] = { type, dims, data } as Tensor;
    }
    return tensors;
  } catch (error) {
    throw new EngineError(
      "engine_failed",
      `The graph "${role}" failed on ${describeFeeds(inputs)}: ${oneLine(error)}`,
    );
  } finally {
    spent.runs += 1;
    spent.ms += performance.now() - start;
    spent.memoryBytes += memoryUsage.rss() - residentBytes;
  }
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").trim();
}
