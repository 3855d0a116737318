/** Pictures that the server decodes, as JPEG: for videos that the browser cannot decode, and for folders of pictures. */
import { fetchFromServer } from "../connection/http.js";
import { createFrameCache } from "./frame-cache.js";
import { type FramePicture, pictureOfBitmap } from "./frame-picture.js";
import type { FrameSource } from "./frame-source.js";

export interface JpegOptions {
  sessionId: string;
  numFrames: number;
  /** Why the browser does not decode the video itself. */
  reason: string;
  maxBytes?: number;
}

interface Waiter {
  frame: number;
  resolve(picture: FramePicture): void;
  reject(error: unknown): void;
}

const MAX_BYTES = 128 * 2 ** 20;
const MAX_WIDTH_PX = 1920;
const PREFETCH = 16;

export function createJpegSource({
  sessionId,
  numFrames,
  reason,
  maxBytes = MAX_BYTES,
}: JpegOptions): FrameSource {
  const cache = createFrameCache<FramePicture>(maxBytes);
  const path = `v1/sessions/${encodeURIComponent(sessionId)}/frames`;
  let centre = 0;
  let background: AbortController | undefined;
  const closing = new AbortController();

  /** One request at a time, the latest one first: those for frames that people have scrubbed past are never sent. */
  let isRunning = false;
  let waiters: Waiter[] = [];

  const keep = (frame: number, picture: FramePicture) => cache.put(frame, picture, centre);

  async function fetchOne(frame: number): Promise<FramePicture> {
    const response = await fetchFromServer(`${path}/${frame}.jpeg?width=${MAX_WIDTH_PX}`, {
      signal: closing.signal,
    });
    const picture = pictureOfBitmap(await createImageBitmap(await response.blob()));
    keep(frame, picture);
    return picture;
  }

  async function work(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    for (let waiter = waiters.pop(); waiter; waiter = waiters.pop()) {
      const { frame, resolve, reject } = waiter;
      await (async () => cache.get(frame) ?? fetchOne(frame))().then(resolve, reject);
    }
    isRunning = false;
  }

  return {
    kind: "jpeg",
    reason,
    peek: cache.get,
    nearest: cache.nearest,
    onPicture: cache.onPicture,
    get(frame, signal) {
      centre = frame;
      const held = cache.get(frame);
      if (held) return Promise.resolve(held);
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const mine: Waiter = { frame, resolve, reject };
        signal.addEventListener(
          "abort",
          () => {
            waiters = waiters.filter((one) => one !== mine);
            reject(signal.reason);
          },
          { once: true },
        );
        waiters.push(mine);
        void work();
      });
    },
    prefetch(frame, step) {
      background?.abort();
      background = new AbortController();
      const { signal } = background;
      const last = Math.min(numFrames - 1, Math.max(0, frame + step * PREFETCH));
      const missing: number[] = [];
      for (let at = frame + step; step > 0 ? at <= last : at >= last; at += step)
        if (!cache.has(at)) missing.push(at);
      if (missing.length === 0) return;
      const first = Math.min(...missing);
      const end = Math.max(...missing);
      void fetchFromServer(`${path}?first=${first}&last=${end}&width=${MAX_WIDTH_PX}`, { signal })
        .then((response) => readPictures(response, keep))
        .catch(() => {
          // The frame is requested again when it is needed.
        });
    },
    dispose() {
      background?.abort();
      closing.abort(new DOMException("the video was closed", "AbortError"));
      cache.clear();
    },
  };
}

/** For each frame `u32le frame_index, u32le byte_length, JPEG`. */
async function readPictures(
  response: Response,
  take: (frame: number, picture: FramePicture) => void,
): Promise<void> {
  const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
  let held = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
    for (;;) {
      if (held.length < 8) break;
      const view = new DataView(held.buffer, held.byteOffset);
      const end = 8 + view.getUint32(4, true);
      if (held.length < end) break;
      const blob = new Blob([held.slice(8, end)], { type: "image/jpeg" });
      take(view.getUint32(0, true), pictureOfBitmap(await createImageBitmap(blob)));
      held = held.slice(end);
    }
  }
}
