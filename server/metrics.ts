/** The metrics of one server, in Prometheus' text format. `metric-list.ts` has their names. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { COUNTERS, type CounterName, HISTOGRAMS, type HistogramName } from "./metric-list.js";

export interface Metrics {
  /** Adds to a counter; label values must come from a fixed set. */
  count(name: CounterName, labels?: Record<string, string>, by?: number): void;
  /** Adds a duration to a histogram. */
  observe(name: HistogramName, labels: Record<string, string>, seconds: number): void;
  /** Observes the time until `work` settles, and returns its result. */
  time<T>(name: HistogramName, labels: Record<string, string>, work: () => Promise<T>): Promise<T>;
  readonly contentType: string;
  /** All metrics and the given samples. */
  render(current: readonly Sample[]): Promise<string>;
}

/** A value that is read when the metrics are requested. */
export interface Sample {
  name: string;
  help: string;
  type: "counter" | "gauge";
  labels?: Record<string, string>;
  value: number;
}

/** @param ofProcess adds memory, processor time, descriptors and the delay of the event loop of this process */
export function createMetrics({ ofProcess = false } = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (ofProcess) collectDefaultMetrics({ register: registry });
  const counters = mapValues(
    COUNTERS as Record<CounterName, { help: string; labels?: readonly string[] }>,
    ({ help, labels = [] }, name) => new Counter({ name, help, labelNames: [...labels], registers }),
  );
  const histograms = mapValues(
    HISTOGRAMS,
    ({ help, labels, buckets }, name) =>
      new Histogram({ name, help, labelNames: [...labels], buckets: [...buckets], registers }),
  );

  const metrics: Metrics = {
    count: (name, labels = {}, by = 1) => counters[name].inc(labels, by),
    observe: (name, labels, seconds) => (histograms[name] as Histogram).observe(labels, seconds),
    async time(name, labels, work) {
      const start = performance.now();
      try {
        return await work();
      } finally {
        metrics.observe(name, labels, (performance.now() - start) / 1000);
      }
    },
    contentType: registry.contentType,
    async render(current) {
      const read = new Registry();
      for (const { name, help, type, labels = {}, value } of current) {
        const known = read.getSingleMetric(name) as Counter | Gauge | undefined;
        const Kind = type === "counter" ? Counter : Gauge;
        const metric = known ?? new Kind({ name, help, labelNames: Object.keys(labels), registers: [read] });
        metric.inc(labels, value);
      }
      return Registry.merge([registry, read]).metrics();
    },
  };
  return metrics;
}

function mapValues<K extends string, V, R>(record: Record<K, V>, map: (value: V, key: K) => R): Record<K, R> {
  const entries = Object.entries(record) as [K, V][];
  return Object.fromEntries(entries.map(([key, value]) => [key, map(value, key)])) as Record<K, R>;
}
