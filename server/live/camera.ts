/**
 * Reads the pictures of a camera: HTTP cameras (MJPEG) by Node, which follows no redirect, and RTSP cameras by ffmpeg.
 * The reader keeps nothing: it passes every picture on as it arrives.
 */
import { get as getHttp, type IncomingMessage } from "node:http";
import { get as getHttps } from "node:https";
import type { Readable } from "node:stream";
import { ffmpegPath } from "../media/binaries.js";
import { mediaUnreadable } from "../media/errors.js";
import { startTool } from "../media/tool-process.js";
import type { CameraAddress } from "./camera-url.js";
import { createJpegSplitter } from "./jpeg-splitter.js";

export interface Camera {
  /** Resolves to the reason when the camera stops sending pictures. Never rejects. */
  readonly ended: Promise<Error>;
  close(): Promise<void>;
}

export interface CameraOptions {
  address: CameraAddress;
  onPicture(jpeg: Uint8Array): void;
  /** Time without a picture after which the camera counts as ended. */
  stallTimeoutMs: number;
  /** Bytes of one picture. */
  maxPictureBytes: number;
}

/** A stream of JPEG pictures, with any bytes between two of them. */
interface JpegStream {
  bytes: Readable;
  /** Ends the stream. Resolves when its resources are released, to the tool's log if there is one. */
  end(): Promise<string | undefined>;
}

/** Ten times what a stream of 4K pictures takes. */
const CAMERA_MEMORY_BYTES = 2 * 1024 ** 3;

/** Quality of the JPEGs made from RTSP frames, from 2 (best) to 31: at 2 pixels differ from the source by a few levels. */
const JPEG_QUALITY = "2";

/**
 * Starts to read.
 * @throws ProtocolError media_unreadable when an HTTP camera does not answer with 200, server_overloaded
 */
export async function openCamera(options: CameraOptions): Promise<Camera> {
  const { address, stallTimeoutMs } = options;
  const stream =
    address.protocol === "http" ? await openHttp(address.url, stallTimeoutMs) : await openRtsp(address.url);
  const ended = read(stream, options);
  return {
    ended,
    async close() {
      await stream.end();
      await ended;
    },
  };
}

async function read({ bytes, end }: JpegStream, options: CameraOptions): Promise<Error> {
  const { onPicture, stallTimeoutMs, maxPictureBytes } = options;
  const splitter = createJpegSplitter(maxPictureBytes);
  let problem: string | undefined;
  const stall = () => {
    problem = `The camera sent no picture for ${stallTimeoutMs} ms.`;
    void end();
  };
  let timer = setTimeout(stall, stallTimeoutMs);
  try {
    for await (const chunk of bytes) {
      for (const picture of splitter.push(chunk as Buffer)) {
        clearTimeout(timer);
        timer = setTimeout(stall, stallTimeoutMs);
        onPicture(picture);
      }
    }
  } catch (error) {
    // Other errors are those of a connection or a pipe that was closed.
    if (error instanceof RangeError) problem ??= `The camera cannot be read: ${error.message}.`;
  }
  clearTimeout(timer);
  const log = await end();
  return mediaUnreadable(problem ?? "The camera ended its stream.", log && new Error(log));
}

async function openRtsp(url: URL): Promise<JpegStream> {
  const tool = await startTool({
    name: "ffmpeg",
    binary: ffmpegPath(),
    box: "network",
    // A camera has no end, and so no bound on its processor time.
    limits: { memoryBytes: CAMERA_MEMORY_BYTES },
    args: [
      ...["-hide_banner", "-loglevel", "error", "-fflags", "nobuffer", "-analyzeduration", "1000000"],
      ...["-protocol_whitelist", "rtsp,rtp,udp,tcp,tls,crypto", "-rtsp_transport", "tcp", "-i", url.href],
      ...["-map", "0:v:0", "-c:v", "mjpeg", "-q:v", JPEG_QUALITY, "-f", "image2pipe", "pipe:1"],
    ],
  });
  return {
    bytes: tool.stdout,
    async end() {
      await tool.kill();
      const { logTail } = await tool.exited;
      // The URL may contain a password.
      return logTail.replaceAll(url.href, "the camera");
    },
  };
}

/** Redirects are errors: another address may lie on a host that is not listed. */
function openHttp(url: URL, timeoutMs: number): Promise<JpegStream> {
  const get = url.protocol === "https:" ? getHttps : getHttp;
  return new Promise((resolve, reject) => {
    const request = get(url, { timeout: timeoutMs }, (response: IncomingMessage) => {
      const { statusCode } = response;
      // From here on the reader measures the time between pictures.
      request.setTimeout(0);
      const end = async () => {
        response.destroy();
        return undefined;
      };
      if (statusCode === 200) return resolve({ bytes: response, end });
      void end();
      reject(mediaUnreadable(`The camera answered with the HTTP status ${statusCode}; expected 200.`));
    });
    request.on("timeout", () => request.destroy(new Error("timeout")));
    request.on("error", (cause) => reject(mediaUnreadable("The camera cannot be reached.", cause)));
  });
}
