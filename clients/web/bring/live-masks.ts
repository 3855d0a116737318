/** Masks over the picture of a camera: its frames are pushed to a live session, one after the other. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { MaskletClient, PromptFields } from "../../typescript/index.js";
import { type FrameResult, frameResultOf } from "../results/frame-result.js";
import type { Point, Size } from "../stage/coordinates.js";
import { objectAt } from "../stage/mask-paths.js";

/** A frame that the server has answered. */
export interface LiveFrame {
  readonly picture: ImageBitmap;
  readonly result: FrameResult;
}

export interface LiveMasks {
  /** Of every frame. */
  readonly size: Size;
  readonly shown: ReadonlySignal<LiveFrame | undefined>;
  /** Marks the object under a pixel of the displayed frame. Rejects with a `MaskletError`. */
  click(at: Point, isNegative: boolean): Promise<void>;
  /** Finds the objects of a phrase, from now on. Rejects with a `MaskletError`. */
  find(phrase: string): Promise<void>;
  stop(): void;
}

/** The longer side of a pushed frame. The models work at fewer pixels, and a small JPEG is sent soon. */
const MAX_SIDE_PX = 640;
const JPEG_QUALITY = 0.85;

/**
 * Starts a live session and pushes frames until `stop`. A frame is taken when the one before it was answered, so that the masks
 * are never late by more than one frame.
 * @param onFailure called once when the frames cannot be pushed any more
 */
export async function startLiveMasks(
  client: MaskletClient,
  stream: MediaStream,
  onFailure: (error: unknown) => void,
): Promise<LiveMasks> {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = stream;
  await video.play();
  const scale = Math.min(1, MAX_SIDE_PX / Math.max(video.videoWidth, video.videoHeight));
  const size = {
    width: Math.round(video.videoWidth * scale),
    height: Math.round(video.videoHeight * scale),
  };
  const session = await client.startSession({ live: true, mask_format: "binary" });
  const canvas = new OffscreenCanvas(size.width, size.height);
  const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  const shown = signal<LiveFrame | undefined>(undefined);
  let isStopped = false;
  let nextId = 0;

  async function pushOne(): Promise<void> {
    context.drawImage(video, 0, 0, size.width, size.height);
    const [picture, jpeg] = await Promise.all([
      createImageBitmap(canvas),
      canvas.convertToBlob({ type: "image/jpeg", quality: JPEG_QUALITY }),
    ]);
    const answer = await session.pushFrame(new Uint8Array(await jpeg.arrayBuffer()));
    if (isStopped || answer.type !== "frame") {
      picture.close();
      return;
    }
    const before = shown.peek();
    const result = frameResultOf(answer);
    nextId = Math.max(nextId, ...result.states.map(({ obj_id }) => obj_id + 1));
    shown.value = { picture, result };
    before?.picture.close();
  }

  async function push(): Promise<void> {
    while (!isStopped) {
      await pushOne();
      await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    }
  }
  push().catch((error) => {
    if (!isStopped) onFailure(error);
  });

  const prompt = async (fields: PromptFields) => void (await session.addPrompt(fields));
  return {
    size,
    shown,
    async click(at, isNegative) {
      const frame = shown.peek();
      if (!frame) return;
      const hit = objectAt(frame.result, at, () => true, new Set());
      if (hit === undefined && isNegative) return;
      await prompt({
        frame_index: frame.result.frame,
        obj_id: hit ?? nextId++,
        points: [[at.x, at.y]],
        point_labels: [isNegative ? 0 : 1],
        rel_coordinates: false,
        // Clicks of earlier frames belong to another place of the object.
        clear_old_points: true,
      });
    },
    find: (text) => prompt({ frame_index: "latest", text }),
    stop() {
      if (isStopped) return;
      isStopped = true;
      video.srcObject = null;
      shown.value?.picture.close();
      shown.value = undefined;
      void session.close().catch(() => {});
    },
  };
}
