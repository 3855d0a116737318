/** sharp as the picture process uses it: only the loaders of supported formats, no cache, one thread for each picture. */
import sharp, { type SharpOptions } from "sharp";

sharp.cache(false);
sharp.concurrency(1);
sharp.block({ operation: ["VipsForeignLoad"] });
sharp.unblock({
  operation: [
    "VipsForeignLoadJpegBuffer",
    "VipsForeignLoadPngBuffer",
    "VipsForeignLoadWebpBuffer",
    "VipsForeignLoadNsgifBuffer",
    "VipsForeignLoadTiffBuffer",
  ],
});

/** The limit on pixels is checked with the header, before anything is decoded. */
export const READ_OPTIONS = {
  failOn: "error",
  limitInputPixels: false,
  sequentialRead: true,
} as const satisfies SharpOptions;

export { sharp };
