/** A camera as a live session: keeps its last pictures, and tracks the newest one while a propagation runs. */
import type { Camera } from "./camera.js";
import type { KeptFrame } from "./kept-frames.js";
import type { LiveFeed, TrackedPicture } from "./live-feed.js";
import type { LiveMedia } from "./live-media.js";

export interface CameraFeed {
  /**
   * The newest picture again and again, with its masks, until the signal is aborted. Pictures that arrive while one is
   * tracked are passed over.
   * @param settled resolves when the requests made so far are answered
   * @throws ProtocolError media_unreadable when the camera ends
   */
  frames(signal: AbortSignal, settled: () => Promise<void>): AsyncGenerator<TrackedPicture, void, undefined>;
  close(): Promise<void>;
}

/** @param open starts the camera; pictures go to `onPicture` */
export async function openCameraFeed(
  media: LiveMedia,
  feed: LiveFeed,
  nowMs: () => number,
  open: (onPicture: (jpeg: Uint8Array) => void) => Promise<Camera>,
): Promise<CameraFeed> {
  const startMs = nowMs();
  let newest: KeptFrame | undefined;
  let trackedIndex = -1;
  let failure: Error | undefined;
  let wake = () => {};

  const camera = await open((jpeg) => {
    newest = media.arrive(jpeg, Math.round((nowMs() - startMs) * 1000));
    wake();
  });
  void camera.ended.then((reason) => {
    failure = reason;
    wake();
  });

  function nextChange(): Promise<void> {
    return new Promise((resolve) => {
      wake = resolve;
    });
  }

  return {
    async *frames(signal, settled) {
      signal.addEventListener("abort", () => wake(), { once: true });
      while (!signal.aborted) {
        if (newest && newest.index > trackedIndex) {
          trackedIndex = newest.index;
          const result = await feed.track(newest, settled());
          if (result.kind === "frame") yield result;
        } else if (failure) {
          throw failure;
        } else {
          await nextChange();
        }
      }
    },
    close: () => camera.close(),
  };
}
