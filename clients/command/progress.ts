import { SingleBar } from "cli-progress";

export interface Progress {
  /** Counts one frame. */
  advance(): void;
  stop(): void;
  /** Frames per second from the start until now, or until `stop`. */
  readonly framesPerSecond: number;
}

export interface ProgressOptions {
  label: string;
  /** Number of frames. */
  total: number;
  /** Default: standard error, because standard output belongs to the results. */
  stream?: NodeJS.WriteStream;
}

/** Interval of the lines in a log. */
const LINE_INTERVAL_MS = 10_000;

/** A bar on a terminal, lines in a log. */
export function startProgress({ label, total, stream = process.stderr }: ProgressOptions): Progress {
  const startedAt = performance.now();
  let stoppedAt: number | undefined;
  let done = 0;
  const rate = () => (done / Math.max(1, (stoppedAt ?? performance.now()) - startedAt)) * 1000;
  const view = stream.isTTY ? showBar(label, total, stream, rate) : writeLines(label, total, stream, rate);
  return {
    advance() {
      done++;
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

function showBar(label: string, total: number, stream: NodeJS.WriteStream, rate: () => number) {
  const bar = new SingleBar({
    format: `${label} {bar} {value}/{total} frames, {rate} frames/s, {eta_formatted} left`,
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

function writeLines(label: string, total: number, stream: NodeJS.WriteStream, rate: () => number) {
  let lastLineAt = performance.now();
  const write = (done: number) =>
    stream.write(`${label}: ${done} of ${total} frames, ${rate().toFixed(1)} frames/s\n`);
  return {
    update(done: number) {
      if (done === total || performance.now() - lastLineAt < LINE_INTERVAL_MS) return;
      lastLineAt = performance.now();
      write(done);
    },
    stop: write,
  };
}
