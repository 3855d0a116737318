import { SingleBar } from "cli-progress";

export interface Progress {
  /** Counts one unit. */
  advance(): void;
  /** Sets the number of units; fractions count for the time left. */
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
  const leftS = () => (done > 0 ? ((performance.now() - startedAt) / 1000) * (total / done - 1) : undefined);
  const rate = () => (done / Math.max(1, (stoppedAt ?? performance.now()) - startedAt)) * 1000;
  const view = stream.isTTY
    ? showBar({ label, total, unit, stream, rate, leftS })
    : writeLines({ label, total, unit, stream, rate, leftS });
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

interface View extends Required<ProgressOptions> {
  rate(): number;
  /** At the average rate so far; undefined before the first unit. */
  leftS(): number | undefined;
}

function showBar({ label, total, unit, stream, rate, leftS }: View) {
  const bar = new SingleBar({
    format: `${label} {bar} {count}/{total} ${unit}, {rate} ${unit}/s{left}`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 28,
    hideCursor: true,
    stream,
  });
  bar.start(total, 0, { count: 0, rate: "-", left: "" });
  return {
    update: (done: number) =>
      bar.update(done, { count: Math.floor(done), rate: rate().toFixed(1), left: describeLeft(leftS()) }),
    stop: () => bar.stop(),
  };
}

function writeLines({ label, total, unit, stream, rate, leftS }: View) {
  let lastLineAt = performance.now();
  const write = (done: number, left: string) =>
    stream.write(
      `${label}: ${Math.floor(done)} of ${total} ${unit}, ${rate().toFixed(1)} ${unit}/s${left}\n`,
    );
  return {
    update(done: number) {
      if (done === total || performance.now() - lastLineAt < LINE_INTERVAL_MS) return;
      lastLineAt = performance.now();
      write(done, describeLeft(leftS()));
    },
    stop: (done: number) => write(done, ""),
  };
}

function describeLeft(leftS: number | undefined): string {
  return leftS === undefined ? "" : `, ${describeDuration(leftS)} left`;
}

/** `45 s`, `12 min` or `3 h 20 min`. */
export function describeDuration(durationS: number): string {
  const minutes = Math.round(durationS / 60);
  if (durationS < 90) return `${Math.ceil(durationS)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
