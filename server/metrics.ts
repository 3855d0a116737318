/** The few numbers that matter, as Prometheus text. */
export interface Metrics {
  /** Adds to a counter; label values must come from a fixed set. */
  count(name: string, labels?: Record<string, string>, by?: number): void;
  /** The counters and the given gauges in Prometheus' text format. */
  render(current: readonly Sample[]): string;
}

export interface Sample {
  name: string;
  type: "counter" | "gauge";
  value: number;
}

export function createMetrics(): Metrics {
  const counters = new Map<string, Map<string, number>>();
  return {
    count(name, labels = {}, by = 1) {
      const series = counters.get(name) ?? new Map<string, number>();
      counters.set(name, series);
      const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
      const key = pairs.length > 0 ? `{${pairs.join(",")}}` : "";
      series.set(key, (series.get(key) ?? 0) + by);
    },
    render(current) {
      const lines: string[] = [];
      for (const [name, series] of counters) {
        lines.push(`# TYPE ${name} counter`);
        for (const [labels, value] of series) lines.push(`${name}${labels} ${value}`);
      }
      for (const { name, type, value } of current) lines.push(`# TYPE ${name} ${type}`, `${name} ${value}`);
      return `${lines.join("\n")}\n`;
    },
  };
}
