/** Media that a client reads without a session: the bytes of its file, and pictures of its frames. */
import { framePictures, type PictureRange } from "./frame-pictures.js";
import type { MediaContent, MediaFacts } from "./media/source.js";
import type { OpenMedia } from "./open-session.js";
import type { Pictures } from "./pictures/pictures.js";
import type { OwnerId } from "./session-owner.js";

export interface ViewedMedia {
  readonly facts: MediaFacts;
  /** Absent for folders of pictures. */
  readonly file?: MediaContent;
  /** A frame as JPEG. @throws ProtocolError as `MediaSource.frames` */
  picture(index: number, options: Pick<PictureRange, "maxWidth" | "signal">): Promise<Uint8Array>;
  /** Ends pictures that are still decoded. The file is no longer readable. */
  close(): Promise<void>;
}

/** Opens an upload of the owner, or a path under a media root. @throws ProtocolError as `start_session` */
export type ViewMedia = (
  name: { resource_path?: string; upload_id?: string },
  options: { owner: OwnerId; signal?: AbortSignal },
) => Promise<ViewedMedia>;

export function createMediaViewer(openMedia: OpenMedia, pictures: Pictures): ViewMedia {
  return async (name, { owner, ...options }) => {
    const media = await openMedia(name, { owner, ...options });
    const closing = new AbortController();
    const { facts, file } = media;
    return {
      facts,
      ...(file && { file }),
      async picture(index, wanted) {
        const range = { first: index, last: index, urgent: true, ...wanted };
        const drawing = { pictures: pictures.of(owner), closing: closing.signal };
        for await (const { jpeg } of framePictures(media, drawing, range)) return jpeg;
        throw new Error(`no picture of frame ${index}`);
      },
      async close() {
        closing.abort();
        await media.close();
      },
    };
  };
}
