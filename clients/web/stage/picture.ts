/** The picture on the stage: follows the frame that was asked for as fast as pictures arrive. */
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { messageOf } from "../app/message-of.js";
import { notify } from "../app/notices.js";
import type { OpenSession } from "../session/open-session.js";
import type { FramePicture } from "../video/frame-picture.js";

export interface StagePicture {
  /** A copy in the size of the frame, or smaller for large videos. */
  readonly canvas: HTMLCanvasElement;
  /** Grows with each new picture. */
  readonly version: ReadonlySignal<number>;
  /** Whether the picture of the wanted frame has not arrived for a while. */
  readonly isWaiting: ReadonlySignal<boolean>;
  stop(): void;
}

const WAITING_MS = 250;
/** Frames around the frame on the stage whose stored results are read. */
const RESULTS_AHEAD = 32;

export function followPicture(session: OpenSession): StagePicture {
  const { source, frame, shownFrame, results, video } = session;
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { alpha: false }) as CanvasRenderingContext2D;
  const version = signal(0);
  const isWaiting = signal(false);
  let hasFailed = false;
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
    clearTimeout(timer);
    isWaiting.value = false;
    shownFrame.value = wanted;
    version.value = version.peek() + 1;
  }

  const stopFrames = effect(() => {
    const wanted = frame.value;
    loading?.abort();
    loading = undefined;
    const step = wanted < before ? -1 : 1;
    before = wanted;
    const held = source.peek(wanted);
    if (held) {
      show(wanted, held);
      source.prefetch(wanted, step);
      return;
    }
    const mine = new AbortController();
    loading = mine;
    clearTimeout(timer);
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

  const stopResults = effect(() => {
    const wanted = frame.value;
    void results.version.value;
    if (!results.isMissing(wanted)) return;
    const last = video.num_frames - 1;
    results.load(Math.max(0, wanted - 4), Math.min(last, wanted + RESULTS_AHEAD)).catch(() => {
      // The connection label shows a lost connection; results are read again with the next frame.
    });
  });

  return {
    canvas,
    version,
    isWaiting,
    stop() {
      stopFrames();
      stopResults();
      loading?.abort();
      clearTimeout(timer);
    },
  };
}
