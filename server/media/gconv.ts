import { fileURLToPath } from "node:url";
import type { Demuxer } from "./sniff.js";

const fromDist = /[\\/]dist[\\/]server[\\/]media[\\/][^\\/]*$/.test(fileURLToPath(import.meta.url));
const CONFIGURATION = fileURLToPath(
  new URL(fromDist ? "../../../server/media/gconv" : "./gconv", import.meta.url),
);

/**
 * Variables of the environment in which ffmpeg and ffprobe read a file.
 *
 * They convert the service names of MPEG transport streams with glibc's iconv. In a static build, such as the installed
 * ffprobe, iconv loads a converter for the system's version of glibc and crashes. With this configuration it finds none,
 * and the names, which the server does not use, stay as they are.
 */
export function demuxerEnvironment(demuxer: Demuxer): Record<string, string> {
  return demuxer === "mpegts" ? { GCONV_PATH: CONFIGURATION } : {};
}
