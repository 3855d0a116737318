/** The content of packets, for codecs whose packets do not each contain one picture. */
import { MEDIA_LIMITS } from "../../protocol/limits.js";
import { ffmpegPath } from "./binaries.js";
import { ffmpegArguments, guardOptions, inputOptions } from "./ffmpeg.js";
import { ffprobeLines, type ProbeRequest } from "./ffprobe.js";
import type { Packets } from "./packets.js";
import { decoderList } from "./tool-facts.js";
import { checkRan, startTool } from "./tool-process.js";

/** Packets are held whole. One picture of the largest size takes less. */
const MAX_PAYLOAD_BYTES = 128 * 1024 * 1024;

const MAX_LOG_BYTES = 16 * 1024 * 1024;

/** A header printed as a dump of bytes: 68 characters for each 16. */
const MAX_EXTRADATA_TEXT = 1024 * 1024;

/**
 * Passes the content of each packet to `onPayload`, in the order of `packets`, without decoding. The buffer is valid only
 * during the call.
 *
 * Returns false when the content does not match the list, as where ffmpeg and ffprobe read a damaged file differently.
 */
export async function readPayloads(
  probe: ProbeRequest,
  stream: number,
  packets: Packets,
  onPayload: (payload: Buffer, index: number) => void,
): Promise<boolean> {
  const { signal, stallTimeoutMs } = probe;
  if (packets.bytes.some((bytes) => bytes > MAX_PAYLOAD_BYTES)) return false;
  const binary = ffmpegPath();
  const guard = guardOptions({
    decoders: await decoderList(binary),
    maxPixels: MEDIA_LIMITS.maxPixels.value,
  });
  signal?.throwIfAborted();
  const tool = await probe.file.lend(({ files, path }) => {
    const args = ffmpegArguments({
      path,
      input: ["-copyts", ...guard, ...inputOptions(probe.demuxer)],
      // Also packets before the first keyframe, which a copy leaves out otherwise.
      output: ["-map", `0:${stream}`, "-c", "copy", "-copyinkf", "-copypriorss", "1", "-f", "data"],
    });
    return startTool({ name: "ffmpeg", binary, files, args, maxLogBytes: MAX_LOG_BYTES });
  });
  const kill = () => void tool.kill();
  const timer = setTimeout(kill, stallTimeoutMs);
  signal?.addEventListener("abort", kill, { once: true });
  let next = 0;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  try {
    for await (const chunk of tool.stdout as AsyncIterable<Buffer>) {
      timer.refresh();
      let rest = chunk;
      for (
        let bytes = packets.bytes[next];
        bytes !== undefined && pendingBytes + rest.length >= bytes;
        bytes = packets.bytes[next]
      ) {
        const needed = bytes - pendingBytes;
        const last = rest.subarray(0, needed);
        onPayload(pending.length === 0 ? last : Buffer.concat([...pending, last]), next++);
        rest = rest.subarray(needed);
        pending = [];
        pendingBytes = 0;
      }
      if (rest.length === 0) continue;
      if (next === packets.length) return false;
      pending.push(rest);
      pendingBytes += rest.length;
    }
    checkRan("ffmpeg", binary, await tool.exited);
  } catch (error) {
    if ((await tool.exited).code !== null) throw error;
    // Killed: the pipe has broken.
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", kill);
    await tool.kill();
  }
  signal?.throwIfAborted();
  return next === packets.length && pendingBytes === 0;
}

/** The header of a stream that its container stores apart from the packets; empty when there is none. */
export async function readExtradata(probe: ProbeRequest, stream: number): Promise<Buffer> {
  const lines: string[] = [];
  await ffprobeLines(probe, {
    options: [
      ...["-select_streams", String(stream)],
      ...["-show_entries", "stream=extradata", "-show_data", "-of", "default=nw=1:nk=1"],
    ],
    maxBytes: MAX_EXTRADATA_TEXT,
    onLine: (line) => {
      const hex = /^[0-9a-f]{8}: ((?:[0-9a-f]{2,4} )+) /.exec(line)?.[1];
      if (hex !== undefined) lines.push(hex);
    },
  });
  return Buffer.from(lines.join("").replaceAll(" ", ""), "hex");
}
