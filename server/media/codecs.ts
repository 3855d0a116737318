/**
 * The video codecs that the server decodes: those that cameras, browsers and editors write. Decoders are the largest attack
 * surface of ffmpeg, and most of its several hundred are for formats that are no longer recorded.
 */

/** Names of the decoders, by the name of the codec as ffprobe reports it. Builds of ffmpeg contain some of them. */
const DECODERS: Record<string, readonly string[]> = {
  // Cameras, phones and browsers.
  h264: ["h264"],
  hevc: ["hevc"],
  av1: ["libdav1d", "libaom-av1", "av1"],
  vp8: ["vp8", "libvpx"],
  vp9: ["vp9", "libvpx-vp9"],
  mjpeg: ["mjpeg"],
  theora: ["theora"],
  // Older cameras, DVDs and television.
  mpeg4: ["mpeg4"],
  mpeg1video: ["mpeg1video"],
  mpeg2video: ["mpeg2video", "mpegvideo"],
  h263: ["h263"],
  dvvideo: ["dvvideo"],
  // Windows and Flash.
  flv1: ["flv"],
  msmpeg4v2: ["msmpeg4v2"],
  msmpeg4v3: ["msmpeg4"],
  wmv1: ["wmv1"],
  wmv2: ["wmv2"],
  wmv3: ["wmv3"],
  vc1: ["vc1"],
  cinepak: ["cinepak"],
  // Editors and archives.
  prores: ["prores"],
  dnxhd: ["dnxhd"],
  cfhd: ["cfhd"],
  ffv1: ["ffv1"],
  huffyuv: ["huffyuv"],
  ffvhuff: ["ffvhuff"],
  utvideo: ["utvideo"],
  magicyuv: ["magicyuv"],
  qtrle: ["qtrle"],
  png: ["png"],
  rawvideo: ["rawvideo"],
  v210: ["v210"],
};

/** Decoders of pictures that sharp does not read. */
const STILL_DECODERS = ["apng", "bmp"];

/** Names of codecs as ffprobe reports them. */
export const SUPPORTED_CODECS: ReadonlySet<string> = new Set(Object.keys(DECODERS));

/** The video decoders that ffmpeg and ffprobe may open. */
export const DECODER_NAMES: readonly string[] = [...Object.values(DECODERS).flat(), ...STILL_DECODERS];
