/** Places for the processes that read media. The server limits how many run at once; the command line does not. */

export interface Place {
  release(): void;
}

/** Each request rejects with the reason of its signal, or with `server_busy` when no place becomes free in time. */
export interface ToolPlaces {
  /** For ffprobe, and for ffmpeg while it reads packets: one place for all runs of one file. */
  probe(signal?: AbortSignal): Promise<Place>;
  /**
   * For ffmpeg while it decodes pictures of at most this size, see `decoderPlaces`. Urgent requests, which a person waits for,
   * come first.
   */
  decode(options: { maxPicturePixels: number; signal?: AbortSignal; urgent?: boolean }): Promise<Place>;
}

const anyPlace: Place = { release() {} };

export const UNLIMITED_PLACES: ToolPlaces = {
  probe: async () => anyPlace,
  decode: async () => anyPlace,
};
