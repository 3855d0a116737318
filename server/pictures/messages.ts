/** Messages between the server and a picture process, over Node's IPC with `serialization: "advanced"`. */
import type { CocoRle } from "../../protocol/rle.js";

export type PictureFormat = "jpeg" | "png" | "webp" | "tiff" | "gif";

export interface PixelSize {
  width: number;
  height: number;
}

/** What to read from the bytes of a picture file, or from raw pixels. */
export type Work =
  /** The header alone. */
  | { kind: "probe"; format: PictureFormat }
  /**
   * The first picture of the file, upright, stretched to `size`. With `expected`, a picture of another size is not
   * decoded.
   */
  | { kind: "still"; format: PictureFormat; size: PixelSize; expected?: PixelSize }
  /** Pictures `first` … `end - 1` of an animation, each stretched to `size`. */
  | { kind: "pages"; format: "gif" | "webp"; first: number; end: number; size: PixelSize }
  /** A PNG as a mask: pixels that are neither black nor transparent are inside. */
  | { kind: "mask"; format: "png"; expected: PixelSize }
  /** The bytes are `[from.height, from.width, 3]` uint8. */
  | { kind: "resize"; from: PixelSize; size: PixelSize }
  /** The bytes are `[from.height, from.width, 3]` uint8; the result is a JPEG file. */
  | { kind: "encode"; from: PixelSize };

/** Work on the bytes of a picture file. */
export type FileWork = Extract<Work, { format: PictureFormat }>;

/** True for work whose bytes are raw pixels, without a header to read. */
export function isOfPixels(work: Work): work is Exclude<Work, FileWork> {
  return work.kind === "resize" || work.kind === "encode";
}

/** What the header of a file contains. */
export interface Header {
  format: PictureFormat;
  /** Upright size of the first picture: the EXIF orientation is applied. */
  width: number;
  height: number;
  /** EXIF orientation, 1 to 8. */
  orientation: number;
  /** Stored size, before the orientation. */
  stored: PixelSize;
  /** Bands of a pixel and bytes of each. */
  channels: number;
  depthBytes: number;
  hasAlpha: boolean;
  /** Interlaced or progressive. */
  isProgressive: boolean;
  /** Bytes of the coefficients that a JPEG decoder keeps for the whole picture; 0 when one pass is enough. */
  coefficientBytes: number;
  /** Number of pictures; 1 unless the file is an animation. */
  pages: number;
  /** Of an animation: how long each picture is shown, in milliseconds, as stored. */
  delaysMs: number[];
}

/** Pixels are `[height, width, 3]` uint8 in sRGB, transparency over black. */
export type WorkResult = {
  probe: { header: Header };
  /** `rgb` is absent when the picture has another size than expected. */
  still: { header: Header; rgb?: Uint8Array };
  /** Null for a damaged picture. */
  pages: { pictures: (Uint8Array | null)[] };
  /** `rle` is absent when the picture has another size than expected. */
  mask: { header: Header; rle?: CocoRle };
  resize: { rgb: Uint8Array };
  encode: { jpeg: Uint8Array };
};

export type ResultOf<W extends Work> = WorkResult[W["kind"]];

/** What a piece of work takes at most. */
export interface Cost {
  bytes: number;
  /** Pixels to decode, a measure of the time. */
  pixels: number;
}

/** `bytes` contains the whole input, or its parts follow in order. */
export type ToProcess =
  | { id: number; work: Work; rules: WorkRules; inputBytes: number; bytes?: Uint8Array }
  | { id: number; part: Uint8Array }
  /** The rest of the input does not follow. */
  | { id: number; isAbandoned: true };

export interface WorkRules {
  /** What the work may take. */
  admitted: Cost;
  maxPixels: number;
  /** Of each side. */
  maxSidePx: number;
  /** Pixels of a mask that differ from the one above them, or from outside the picture. */
  maxMaskEdges: number;
}

export type FailureKind =
  /** The picture is damaged, or is no picture of the format. */
  | "damaged"
  /** More pixels than `maxPixels`, or a side longer than `maxSidePx`. */
  | "too_large"
  /** A mask with more edges than `maxMaskEdges`. */
  | "too_detailed";

export type FromProcess =
  /** Sent once. */
  | { ready: true }
  /** Sent regularly while work is in progress. */
  | { rssBytes: number }
  /** Sent before the process ends itself, because it takes more memory than all its work may take. */
  | { exceededBytes: number }
  /** The work takes more than was admitted. */
  | { id: number; needs: Cost }
  | { id: number; result: WorkResult[Work["kind"]] }
  | { id: number; failure: FailureKind; message: string };
