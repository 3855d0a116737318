/** Counters of the server and their Prometheus text. */
export interface Metrics {
  /** Adds to a counter; label values must come from a fixed set. */
  count(name: string, labels?: Record<string, string>, by?: number): void;
  /** The counters and the given samples in Prometheus' text format. Samples with the same name must be adjacent. */
  render(current: readonly Sample[]): string;
}

export interface Sample {
  name: string;
  type: "counter" | "gauge";
  labels?: Record<string, string>;
  value: number;
}

export function createMetrics(): Metrics {
  const counters = new Map<string, Map<string, number>>();
  return {
    count(name, labels = {}, by = 1) {
      const series = counters.get(name) ?? new Map<string, number>();
      counters.set(name, series);
      const key = inBraces(labels);
      series.set(key, (series.get(key) ?? 0) + by);
    },
    render(current) {
      const lines: string[] = [];
      for (const [name, series] of counters) {
        lines.push(`# TYPE ${name} counter`);
        for (const [labels, value] of series) lines.push(`${name}${labels} ${value}`);
      }
      for (const [index, { name, type, labels = {}, value }] of current.entries()) {
        if (current[index - 1]?.name !== name) lines.push(`# TYPE ${name} ${type}`);
        lines.push(`${name}${inBraces(labels)} ${value}`);
      }
      return `${lines.join("\n")}\n`;
    },
  };
}

function inBraces(labels: Record<string, string>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length > 0 ? `{${pairs.join(",")}}` : "";
}
