/** Containers beside MP4, Matroska and AVI: every frame once, the same by stream and at random, with its time. */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import { openMedia } from "../../../server/media/open.js";
import { sniffBytes } from "../../../server/media/sniff.js";
import type { FrameRange, MediaFrame, MediaSource } from "../../../server/media/source.js";
import { expectToolsEnd, makeClip, mediaPath, readFrameNumber, runFfmpegTool } from "../../helpers/media.js";

const FRAMES = 30;
const size = { width: 96, height: 64 };
const SOUND = ["-f", "lavfi", "-i", "sine=duration=1.2", "-shortest"];
const H264 = [
  "-c:v",
  "libx264",
  "-preset",
  "ultrafast",
  "-crf",
  "18",
  "-bf",
  "2",
  "-b_strategy",
  "0",
  "-g",
  "12",
];
const MPEG2 = ["-c:v", "mpeg2video", "-q:v", "2", "-bf", "2", "-g", "12"];
const THEORA = ["-c:v", "libtheora", "-q:v", "8", "-g", "12"];

afterEach(expectToolsEnd);

/** Encodes numbered pictures at 25 frames a second. */
async function make(name: string, options: string[], sound: string[]): Promise<string> {
  const clip = await makeClip({ name: "containers.mkv", frames: FRAMES, encoder: ["-c:v", "ffv1"] });
  const path = mediaPath(name);
  const codecs = [...options, "-pix_fmt", "yuv420p"];
  await runFfmpegTool(["-i", clip, ...(sound.length > 0 ? [...SOUND, ...sound] : []), ...codecs, path]);
  return path;
}

async function collect(media: MediaSource, range: Partial<FrameRange> = {}): Promise<MediaFrame[]> {
  const full: FrameRange = { startFrame: 0, count: 9999, direction: "forward", ...size, ...range };
  const frames: MediaFrame[] = [];
  for await (const frame of media.frames(full)) frames.push(frame);
  return frames;
}

const identityOf = ({ index, timestampUs, rgb }: MediaFrame) =>
  `${index} at ${timestampUs}: ${createHash("sha1").update(rgb).digest("hex")}`;

describe.each([
  ["MPEG-TS, H.264", "h264.ts", H264, []],
  ["MPEG-TS, H.264 with sound", "sound.ts", H264, ["-c:a", "aac"]],
  ["MPEG-TS, MPEG-2", "mpeg2.ts", MPEG2, ["-c:a", "mp2"]],
  ["MPEG-TS that starts after an hour", "late.ts", [...H264, "-output_ts_offset", "3600"], []],
  ["M2TS", "h264.m2ts", [...H264, "-mpegts_m2ts_mode", "1"], ["-c:a", "aac"]],
  ["MPEG-PS, MPEG-1", "mpeg1.mpg", ["-c:v", "mpeg1video", "-q:v", "2", "-g", "12"], ["-c:a", "mp2"]],
  ["MPEG-PS, MPEG-2", "mpeg2.mpg", [...MPEG2, "-f", "vob"], ["-c:a", "mp2"]],
  ["FLV, H.264", "h264.flv", H264, ["-c:a", "aac"]],
  ["FLV, Sorenson H.263", "sorenson.flv", ["-c:v", "flv", "-q:v", "2", "-g", "12"], []],
  ["3GP, MPEG-4", "mpeg4.3gp", ["-c:v", "mpeg4", "-q:v", "2", "-g", "12"], ["-c:a", "aac"]],
  ["Ogg, Theora", "theora.ogv", THEORA, []],
  ["Ogg, Theora with Vorbis", "vorbis.ogv", THEORA, ["-c:a", "libvorbis"]],
  ["Y4M", "raw.y4m", [], []],
] as [string, string, string[], string[]][])("%s", (_, name, options, sound) => {
  it("yields every frame once in both directions, and the same frames from any start", async () => {
    const media = await openMedia(await make(name, options, sound));
    try {
      expect(media.facts).toMatchObject({ kind: "video", ...size, numFrames: FRAMES, startTimeUs: 0 });
      const all = await collect(media);
      expect(all.map(({ rgb }) => readFrameNumber(rgb, size.width, size.height))).toEqual(
        all.map((_, i) => i),
      );
      expect(all).toHaveLength(FRAMES);
      const expected = all.map(identityOf);
      const backward = await collect(media, { startFrame: FRAMES - 1, direction: "backward" });
      expect(backward.map(identityOf)).toEqual([...expected].reverse());
      for (let index = 0; index < FRAMES; index += 3) {
        expect(identityOf(await media.frame(index, size))).toBe(expected[index]);
      }

      // The first picture is at the start of the file, or after the start of the sound.
      const first = all[0]?.timestampUs as number;
      expect(first).toBeGreaterThanOrEqual(0);
      expect(first).toBeLessThan(sound.length > 0 ? 100_000 : 1);
      for (const [i, { timestampUs }] of all.entries()) {
        expect(Math.abs((timestampUs as number) - first - i * 40_000)).toBeLessThanOrEqual(1_000);
      }
      expect(media.facts.durationS).toBeCloseTo((first + FRAMES * 40_000) / 1e6, 2);
    } finally {
      await media.close();
    }
  });
});

describe("an MPEG transport stream", () => {
  it("may begin with a part of a packet, as a recording does", async () => {
    const bytes = await readFile(await make("whole.ts", H264, []));
    const path = mediaPath("part.ts");
    await writeFile(path, bytes.subarray(100));
    const media = await openMedia(path);
    const all = await collect(media);
    const first = readFrameNumber(all[0]?.rgb as Uint8Array, size.width, size.height);
    expect(all.map(({ rgb }) => readFrameNumber(rgb, size.width, size.height))).toEqual(
      Array.from({ length: FRAMES - first }, (_, i) => first + i),
    );
    await media.close();
  });

  it("opens whatever the character set of its service name", async () => {
    const bytes = await readFile(await make("service.ts", H264, []));
    // The first bytes of a name select the character set. ffmpeg writes "Service01".
    for (const prefix of ["\x01", "\x09", "\x10\x00\x02", "\x12", "\x13", "\x14", "\x15"]) {
      const path = mediaPath("service-name.ts");
      await writeFile(path, withServiceName(bytes, prefix));
      const media = await openMedia(path);
      expect(media.facts.numFrames).toBe(FRAMES);
      await media.close();
    }
  });
});

/** A copy of a transport stream whose service names begin with these characters. */
function withServiceName(stream: Buffer, prefix: string): Buffer {
  const copy = Buffer.from(stream);
  for (let packet = 0; packet < copy.length; packet += 188) {
    if ((copy.readUInt16BE(packet + 1) & 0x1fff) !== 0x11) continue;
    const section = packet + 5 + (copy[packet + 4] ?? 0);
    const end = section + 3 + (copy.readUInt16BE(section + 1) & 0xfff) - 4;
    copy.write(prefix, copy.indexOf("Service01", section), "latin1");
    copy.writeUInt32BE(mpegCrc(copy.subarray(section, end)), end);
  }
  return copy;
}

function mpegCrc(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return crc >>> 0;
}

describe("the content of a file", () => {
  it("identifies an MPEG transport stream by several sync bytes", () => {
    const packets = (count: number, bytes: number, offset: number) => {
      const head = new Uint8Array(offset + count * bytes).fill(0x33);
      for (let i = 0; i < count; i++) head[offset + i * bytes] = 0x47;
      return head;
    };
    for (const [bytes, offset] of [
      [188, 0],
      [188, 187],
      [192, 4],
      [204, 0],
    ] as const) {
      expect(sniffBytes(packets(8, bytes, offset))).toEqual({ kind: "video", demuxer: "mpegts" });
    }
    expect(sniffBytes(packets(2, 188, 0)).kind).toBe("unknown");
    expect(sniffBytes(packets(8, 190, 0)).kind).toBe("unknown");
    const broken = packets(8, 188, 0);
    broken[4 * 188] = 0;
    expect(sniffBytes(broken).kind).toBe("unknown");
  });

  it("of an Ogg file without pictures is reported as sound", async () => {
    const path = mediaPath("sound.ogg");
    await runFfmpegTool(["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "libvorbis", path]);
    await expect(openMedia(path)).rejects.toMatchObject({
      code: "media_unsupported",
      message: expect.stringContaining("only sound"),
    });
  });
});
