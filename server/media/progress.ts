/** Progress of opening a file whose index takes long to read. */

/** What opening does: `index` reads the packets of the file, `decode` decodes all pictures. */
export type OpeningStage = "index" | "decode";

export interface OpeningProgress {
  stage: OpeningStage;
  /** 0 to 1, of this stage; never decreases within a stage. */
  fraction: number;
}

export type OnProgress = (progress: OpeningProgress) => void;

/** Files that open faster than this report no progress; later reports are at least this far apart. */
const INTERVAL_MS = 500;

/**
 * Passes on at most two reports a second, and none within the first half second.
 *
 * @param now a clock in milliseconds
 */
export function throttleProgress(
  listener: OnProgress,
  now: () => number = () => performance.now(),
): OnProgress {
  let last = now();
  let stage: OpeningStage | undefined;
  let highest = 0;
  return (progress) => {
    if (progress.stage !== stage) {
      stage = progress.stage;
      highest = 0;
    }
    highest = Math.max(highest, Math.min(1, progress.fraction || 0));
    if (now() - last < INTERVAL_MS) return;
    last = now();
    listener({ stage: progress.stage, fraction: highest });
  };
}
