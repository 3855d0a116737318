/**
 * The picture on the stage: follows the frame that was asked for. Until its picture arrives, the nearest picture in memory is
 * shown, under its own number.
 */
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { messageOf } from "../app/message-of.js";
import { notify } from "../app/notices.js";
import type { OpenSession } from "../session/open-session.js";
import type { FramePicture } from "../video/frame-picture.js";

export interface StagePicture {
  /** A copy in the size of the frame, or smaller for large videos. Undefined before the first picture. */
  canvas(): HTMLCanvasElement | undefined;
  /** Grows with each new picture. */
  readonly version: ReadonlySignal<number>;
  /** Whether the picture of the requested frame has not arrived for a while. */
  readonly isWaiting: ReadonlySignal<boolean>;
  stop(): void;
}

const WAITING_MS = 250;
/** Frames around the frame on the stage whose stored results are read. */
const RESULTS_AHEAD = 32;
const RESULTS_BEHIND = 4;

export function followPicture(session: OpenSession): StagePicture {
  const { source, frame, shownFrame, results, video } = session;
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { alpha: false }) as CanvasRenderingContext2D;
  const version = signal(0);
  const isWaiting = signal(false);
  let hasFailed = false;
  let hasPicture = false;
  let before = frame.peek();
  let loading: AbortController | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function show(wanted: number, picture: FramePicture): void {
    // Assigning a size clears the canvas, which costs time.
    if (canvas.width !== picture.width || canvas.height !== picture.height) {
      canvas.width = picture.width;
      canvas.height = picture.height;
    }
    picture.draw(context, picture.width, picture.height);
    hasPicture = true;
    if (wanted === frame.peek()) {
      clearTimeout(timer);
      isWaiting.value = false;
    }
    shownFrame.value = wanted;
    version.value = version.peek() + 1;
  }

  /** Shows the nearest picture in memory, if it is nearer to the requested frame than the one on the stage. */
  function showNearest(wanted: number): boolean {
    const nearest = source.nearest(wanted);
    if (nearest === undefined) return false;
    const isNearer = !hasPicture || Math.abs(nearest - wanted) < Math.abs(shownFrame.peek() - wanted);
    const picture = isNearer ? source.peek(nearest) : undefined;
    if (picture) show(nearest, picture);
    return shownFrame.peek() === wanted && hasPicture;
  }

  const stopListening = source.onPicture(() => showNearest(frame.peek()));

  const stopFrames = effect(() => {
    const wanted = frame.value;
    loading?.abort();
    loading = undefined;
    const step = wanted < before ? -1 : 1;
    before = wanted;
    clearTimeout(timer);
    if (isWaiting.peek()) isWaiting.value = false;
    if (showNearest(wanted)) {
      source.prefetch(wanted, step);
      return;
    }
    const mine = new AbortController();
    loading = mine;
    timer = setTimeout(() => {
      isWaiting.value = true;
    }, WAITING_MS);
    source.get(wanted, mine.signal).then(
      (picture) => {
        if (mine.signal.aborted) return;
        hasFailed = false;
        show(wanted, picture);
        source.prefetch(wanted, step);
      },
      (error: unknown) => {
        if (mine.signal.aborted || hasFailed) return;
        hasFailed = true;
        notify({
          kind: "error",
          title: `The picture of frame ${wanted} cannot be shown`,
          detail: `${messageOf(error)} Masks and edits are kept. Move to another frame, or reload the page.`,
        });
      },
    );
  });

  /** Reads the results around the frame on the stage; while people scrub, those of the latest frame next. */
  let isReading = false;
  async function readResults(): Promise<void> {
    if (isReading) return;
    isReading = true;
    try {
      let around = -1;
      while (around !== shownFrame.peek()) {
        around = shownFrame.peek();
        await results.load(around, around);
      }
      await results.load(
        Math.max(0, around - RESULTS_BEHIND),
        Math.min(video.num_frames - 1, around + RESULTS_AHEAD),
      );
    } catch {
      // The connection label shows a lost connection; results are read again with the next frame.
    } finally {
      isReading = false;
    }
  }
  const stopResults = effect(() => {
    void results.version.value;
    if (results.isMissing(shownFrame.value)) void readResults();
  });

  return {
    canvas: () => (hasPicture ? canvas : undefined),
    version,
    isWaiting,
    stop() {
      stopFrames();
      stopListening();
      stopResults();
      loading?.abort();
      clearTimeout(timer);
    },
  };
}
