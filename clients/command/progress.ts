import { SingleBar } from "cli-progress";

export interface Progress {
  /** Counts one unit. */
  advance(): void;
  /** Sets the number of units. */
  set(done: number): void;
  stop(): void;
  /** Frames per second from the start until now, or until `stop`. */
  readonly framesPerSecond: number;
}

export interface ProgressOptions {
  label: string;
  /** Number of units. */
  total: number;
  /** Default "frames". */
  unit?: string;
  /** Default: standard error, because standard output belongs to the results. */
  stream?: NodeJS.WriteStream;
}

/** Interval of the lines in a log. */
const LINE_INTERVAL_MS = 10_000;

/** A bar on a terminal, lines in a log. */
export function startProgress({
  label,
  total,
  unit = "frames",
  stream = process.stderr,
}: ProgressOptions): Progress {
  const startedAt = performance.now();
  let stoppedAt: number | undefined;
  let done = 0;
  const rate = () => (done / Math.max(1, (stoppedAt ?? performance.now()) - startedAt)) * 1000;
  const view = stream.isTTY
    ? showBar(label, total, unit, stream, rate)
    : writeLines(label, total, unit, stream, rate);
  return {
    advance() {
      done++;
      view.update(done);
    },
    set(count) {
      done = count;
      view.update(done);
    },
    stop() {
      stoppedAt ??= performance.now();
      view.stop(done);
    },
    get framesPerSecond() {
      return rate();
    },
  };
}

function showBar(label: string, total: number, unit: string, stream: NodeJS.WriteStream, rate: () => number) {
  const bar = new SingleBar({
    format: `${label} {bar} {value}/{total} ${unit}, {rate} ${unit}/s, {eta_formatted} left`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 28,
    hideCursor: true,
    stream,
  });
  bar.start(total, 0, { rate: "-" });
  return {
    update: (done: number) => bar.update(done, { rate: rate().toFixed(1) }),
    stop: () => bar.stop(),
  };
}

function writeLines(
  label: string,
  total: number,
  unit: string,
  stream: NodeJS.WriteStream,
  rate: () => number,
) {
  let lastLineAt = performance.now();
  const write = (done: number) =>
    stream.write(`${label}: ${done} of ${total} ${unit}, ${rate().toFixed(1)} ${unit}/s\n`);
  return {
    update(done: number) {
      if (done === total || performance.now() - lastLineAt < LINE_INTERVAL_MS) return;
      lastLineAt = performance.now();
      write(done);
    },
    stop: write,
  };
}
