/**
 * The only import of ONNX Runtime: opens one graph and runs it.
 *
 * `run()` of onnxruntime-node blocks its thread until the graph is done, so it must not run in a process that serves
 * sockets. Inputs are read in place; every fetched output is copied, so callers fetch only what they use.
 */
import { availableParallelism } from "node:os";
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { GraphRole, Tensor } from "../../detector/graph.js";
import type { PackGraph } from "../packs/pack.js";
import type { GraphInfo } from "../packs/validate.js";

type Runtime = typeof import("onnxruntime-node");

export interface GraphOptions {
  /** Execution providers in order of preference, such as "cuda" or "cpu". */
  providers: readonly string[];
  /** Threads of each large graph, two of which may run at once; 0 chooses by the machine. */
  threads: number;
  /** Called for each provider that could not start. */
  warn: (message: string) => void;
}

/** Whether a provider has opened a graph before; one that failed on its first graph is not tried again. */
export type ProvidersTried = Map<string, boolean>;

export interface GraphRun {
  outputs: Record<string, Tensor>;
  /** Time inside ONNX Runtime. */
  ms: number;
}

export interface OpenGraph extends GraphInfo {
  provider: string;
  /**
   * @param fetch the outputs wanted
   * @throws Error with the runtime's message, on one line
   */
  run(inputs: Record<string, Tensor>, fetch: readonly string[]): Promise<GraphRun>;
}

let loading: Promise<Runtime> | undefined;

/**
 * Loads the runtime when it is first needed, with its telemetry off.
 * @throws Error that names what is missing and how to install it
 */
export function loadRuntime(): Promise<Runtime> {
  // Version 1.30 reads the variable when its first session is created. Processes are started with it as well, because a
  // worker thread cannot set it for native code.
  process.env.ORT_DISABLE_TELEMETRY = "1";
  loading ??= import("onnxruntime-node").catch((error) => {
    throw new Error(
      `ONNX Runtime cannot be loaded for ${process.platform}-${process.arch}: ${oneLine(error)}. ` +
        'Reinstall it with "npm install onnxruntime-node"; set ONNXRUNTIME_NODE_INSTALL=skip where its install script ' +
        "cannot download the CUDA libraries.",
    );
  });
  return loading;
}

/**
 * A provider that cannot start throws even when another follows in its list, so they are tried one by one.
 * @throws Error with one sentence that names the graph and the failure of each provider
 */
export async function openGraph(
  graph: PackGraph,
  options: GraphOptions,
  tried: ProvidersTried,
): Promise<OpenGraph> {
  const runtime = await loadRuntime();
  // Rendering is cheap and its result is needed in main memory, so it stays on the CPU.
  const candidates = graph.role === "render" ? ["cpu"] : options.providers;
  const reasons: string[] = [];
  for (const provider of candidates) {
    if (tried.get(provider) === false) continue;
    try {
      const session = await runtime.InferenceSession.create(graph.path, {
        ...sessionOptions(graph.role, options.threads),
        executionProviders: [provider],
      });
      tried.set(provider, true);
      return {
        provider,
        inputs: describe(session.inputMetadata),
        outputs: describe(session.outputMetadata),
        run: (inputs, fetch) => runSession(runtime, session, inputs, fetch),
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

/**
 * The inputs and outputs of a graph, which is opened on the CPU and closed again.
 * @throws Error with one sentence that names the graph
 */
export async function inspectGraph({ name, path }: PackGraph): Promise<GraphInfo> {
  const runtime = await loadRuntime();
  try {
    const session = await runtime.InferenceSession.create(path, {
      ...{ executionProviders: ["cpu"], graphOptimizationLevel: "disabled", logSeverityLevel: 3 },
    });
    const info = { inputs: describe(session.inputMetadata), outputs: describe(session.outputMetadata) };
    await session.release();
    return info;
  } catch (error) {
    throw new Error(`${name}: ONNX Runtime cannot open it: ${oneLine(error)}.`, { cause: error });
  }
}

const smallRoles: ReadonlySet<GraphRole> = new Set<GraphRole>(["text", "render"]);

function sessionOptions(role: GraphRole, threads: number): InferenceSession.SessionOptions {
  const cores = availableParallelism();
  // With more than four, two logical cores usually share a physical one.
  const large = threads || (cores > 4 ? Math.ceil(cores / 2) : cores);
  return {
    graphOptimizationLevel: "all",
    intraOpNumThreads: smallRoles.has(role) ? Math.min(2, large) : large,
    interOpNumThreads: 1,
    // The runtime keeps a pattern for each combination of input sizes; only the image has a single size.
    enableMemPattern: role === "encode",
    // Several graphs take turns: idle threads of one must not spin while another runs.
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

async function runSession(
  { Tensor }: Runtime,
  session: InferenceSession,
  inputs: Record<string, Tensor>,
  fetch: readonly string[],
): Promise<GraphRun> {
  const feeds: Record<string, OrtTensor> = {};
  for (const [name, { type, data, dims }] of Object.entries(inputs))
    feeds[name] = new Tensor(type, data, dims);
  let start = performance.now();
  // The runtime starts in its own immediate, right after this one. Time before that is not counted.
  setImmediate(() => {
    start = performance.now();
  });
  const results = await session.run(feeds, fetch).catch((error) => {
    throw new Error(oneLine(error));
  });
  const ms = performance.now() - start;
  const outputs: Record<string, Tensor> = {};
  for (const name of fetch) {
    const { type, dims, data } = results[name] as OrtTensor;
    outputs[name] = { type, dims, data } as Tensor;
  }
  return { outputs, ms };
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").trim();
}
