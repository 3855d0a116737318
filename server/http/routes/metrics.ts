/** `/metrics`: counters and gauges as Prometheus text. */
import type { GraphCosts } from "../../engine/index.js";
import type { Metrics, Sample } from "../../metrics.js";
import type { Predictor } from "../../predictor.js";
import type { App } from "../context.js";
import { allowOnly } from "./method-not-allowed.js";

export interface SocketCounts {
  /** WebSockets after their handshake. */
  connections(): number;
  /** All TCP sockets of the server. */
  sockets(): number;
}

export function addMetricsRoute(
  app: App,
  predictor: Predictor,
  metrics: Metrics,
  { connections, sockets }: SocketCounts,
): void {
  app.get("/metrics", async (context) => {
    const { sessions, engine } = predictor.stats();
    const shares = await predictor.shares.total();
    const samples: Sample[] = [
      gauge("masklet_sessions", "Open sessions.", sessions),
      gauge("masklet_connections", "Open WebSockets.", connections()),
      gauge("masklet_sockets", "Open sockets, WebSockets included.", sockets()),
      counter(
        "masklet_engine_frames_total",
        "Prompts and frames that the model answered.",
        engine?.frames ?? 0,
      ),
      ...Object.entries(engine?.runSecondsByThread ?? {}).map(([thread, seconds]) =>
        counter("masklet_engine_run_seconds_total", "Time inside ONNX Runtime.", seconds, { thread }),
      ),
      gauge("masklet_engine_processes", "Inference processes.", engine?.processes ?? 0),
      counter(
        "masklet_engine_restarts_total",
        "Inference processes that were replaced.",
        engine?.restarts ?? 0,
      ),
      gauge("process_uptime_seconds", "Time since the server's process started.", process.uptime()),
      ...graphSamples(engine?.graphs ?? {}),
      ...shares.flatMap(({ name, used, limit }) => [
        gauge("masklet_share_used", "What all owners hold of a share.", used, { share: name }),
        gauge("masklet_share_limit", "What all owners may hold of a share.", limit, { share: name }),
      ]),
    ];
    return context.text(await metrics.render(samples), 200, { "content-type": metrics.contentType });
  });
  app.all("/metrics", allowOnly("GET"));
}

function graphSamples(graphs: GraphCosts): Sample[] {
  return Object.entries(graphs).flatMap(([graph, { runs, ms, memoryBytes }]) => [
    counter("masklet_graph_runs_total", "Runs of a graph.", runs, { graph }),
    counter("masklet_graph_run_seconds_total", "Time inside ONNX Runtime, by graph.", ms / 1000, { graph }),
    gauge("masklet_graph_memory_bytes", "Memory that a graph added to its process.", memoryBytes, { graph }),
  ]);
}

function sampleOf(type: Sample["type"]) {
  return (name: string, help: string, value: number, labels: Record<string, string> = {}): Sample => ({
    ...{ name, help, type, labels, value },
  });
}

const counter = sampleOf("counter");
const gauge = sampleOf("gauge");
