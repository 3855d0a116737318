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
      { name: "masklet_sessions", type: "gauge", value: sessions },
      { name: "masklet_connections", type: "gauge", value: connections() },
      { name: "masklet_sockets", type: "gauge", value: sockets() },
      { name: "masklet_engine_frames_total", type: "counter", value: engine?.frames ?? 0 },
      ...Object.entries(engine?.runSecondsByThread ?? {}).map(([thread, seconds]) =>
        counter("masklet_engine_run_seconds_total", { thread }, seconds),
      ),
      { name: "masklet_engine_processes", type: "gauge", value: engine?.processes ?? 0 },
      { name: "masklet_engine_restarts_total", type: "counter", value: engine?.restarts ?? 0 },
      { name: "process_uptime_seconds", type: "gauge", value: process.uptime() },
      { name: "process_resident_memory_bytes", type: "gauge", value: process.memoryUsage.rss() },
      ...graphSamples(engine?.graphs ?? {}),
      ...shares.map(({ name, used }) => gauge("masklet_share_used", { share: name }, used)),
      ...shares.map(({ name, limit }) => gauge("masklet_share_limit", { share: name }, limit)),
    ];
    return context.text(metrics.render(samples), 200, {
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
    });
  });
  app.all("/metrics", allowOnly("GET"));
}

function graphSamples(graphs: GraphCosts): Sample[] {
  const costs = Object.entries(graphs).map(([graph, cost]) => ({ labels: { graph }, ...cost }));
  return [
    ...costs.map(({ labels, runs }) => counter("masklet_graph_runs_total", labels, runs)),
    ...costs.map(({ labels, ms }) => counter("masklet_graph_run_seconds_total", labels, ms / 1000)),
    ...costs.map(({ labels, memoryBytes }) => gauge("masklet_graph_memory_bytes", labels, memoryBytes)),
  ];
}

function counter(name: string, labels: Record<string, string>, value: number): Sample {
  return { name, type: "counter", labels, value };
}

function gauge(name: string, labels: Record<string, string>, value: number): Sample {
  return { name, type: "gauge", labels, value };
}
