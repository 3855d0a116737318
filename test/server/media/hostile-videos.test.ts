/** Small files that ask for a lot of work are refused before the work. */
import { chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ffprobePath } from "../../../server/media/binaries.js";
import { DEFAULT_MEDIA_LIMITS, frameLimit } from "../../../server/media/limits.js";
import { sortByTicks } from "../../../server/media/sort-by-ticks.js";
import {
  box,
  bytes,
  compressed,
  fragment,
  fragmentedHeader,
  header,
  lacedMatroska,
  mp4,
  track,
  webpAnimation,
} from "../../helpers/hostile-video.js";
import { expectToolsEnd, makeClip, mediaPath, openInTest } from "../../helpers/media.js";

afterEach(async () => {
  vi.unstubAllEnvs();
  await expectToolsEnd();
});

function file(name: string, content: Buffer): string {
  const path = mediaPath(`hostile/${name}`);
  writeFileSync(path, content);
  return path;
}

/** An ffprobe that leaves a file when it is started. */
function watchedProbe(): { wasStarted(): boolean } {
  const started = mediaPath("hostile/probe-started");
  rmSync(started, { force: true });
  const path = mediaPath("hostile/ffprobe");
  writeFileSync(path, `#!/bin/sh\ntouch "${started}"\nexec "${ffprobePath()}" "$@"\n`);
  chmodSync(path, 0o755);
  vi.stubEnv("FFPROBE_PATH", path);
  return { wasStarted: () => existsSync(started) };
}

const many = 40_000_000;
const table = header(track({ samples: 1_900_000, sampleBytes: 0, table: true }));

describe("an MP4 that declares more samples than its size allows", () => {
  it.each<[string, Buffer, number]>([
    ["in one number", mp4([header(track({ samples: many }))], 173_000), many],
    ["in few bytes", mp4([header(track({ samples: 1_900_000, sampleBytes: 0 }))]), 1_900_000],
    [
      "in a track of sound",
      mp4([header(track({ samples: 9 }), track({ kind: "sound", samples: many, ticks: 2 }))]),
      many + 9,
    ],
    ["in several tracks", mp4([header(...Array(4).fill(track({ samples: 500_000 })))]), 2_000_000],
    ["in many tracks", mp4([header(...Array(900).fill(track({ samples: 10_000 })))], 800_000), 9_000_000],
    [
      "by edits that repeat the track",
      mp4([header(track({ samples: 4000, edits: 10_000, table: true }))], 173_000),
      many,
    ],
    ["in a fragment", mp4([fragmentedHeader(), fragment(many)]), many],
    ["in many fragments", mp4([fragmentedHeader(), ...Array(200).fill(fragment(100_000))]), 20_000_000],
    ["in a compressed header", mp4([compressed(table)]), 1_900_000],
    ["in the place of a header", mp4([box("free", header(track({ samples: many })).subarray(8))]), many],
    [
      "in a table outside its track",
      mp4([header(track({ samples: 1 }), box("udta", box("stsz", 0, 1, many)))]),
      many + 1,
    ],
    [
      "in a box of 64-bit length",
      mp4([
        bytes(
          1,
          "moov",
          0,
          16 + header(track({ samples: many })).length - 8,
          header(track({ samples: many })).subarray(8),
        ),
      ]),
      many,
    ],
  ])("%s is refused before ffprobe runs", async (name, content, samples) => {
    const probe = watchedProbe();
    await expect(openInTest(file(`${name.replaceAll(" ", "-")}.mp4`, content))).rejects.toMatchObject({
      code: "media_unsupported",
      message: `The video's header declares ${samples} samples; the limit is ${
        1_000_000 + Math.floor(content.length / 4)
      } for a file of ${content.length} bytes.`,
    });
    expect(probe.wasStarted()).toBe(false);
  });

  it("or expands to an endless header is refused before ffprobe runs", async () => {
    const probe = watchedProbe();
    const bomb = Buffer.alloc(33 * 1024 * 1024);
    const message = "The video's compressed header expands to more than 33554432 bytes.";
    for (const [name, content] of [
      ["stated.mov", compressed(bomb)],
      ["unstated.mov", compressed(bomb, 100)],
    ] as const) {
      await expect(openInTest(file(name, mp4([content])))).rejects.toMatchObject({
        code: "media_unsupported",
        message,
      });
    }
    await expect(openInTest(file("nested.mov", mp4([compressed(compressed(table))])))).rejects.toMatchObject({
      message: "The video's compressed header contains a compressed header.",
    });
    expect(probe.wasStarted()).toBe(false);
  });

  it("in a compressed header with few samples is read by ffprobe", async () => {
    const probe = watchedProbe();
    const opening = openInTest(file("plain.mov", mp4([compressed(header(track({ samples: 3 })))])));
    await expect(opening).rejects.toMatchObject({ code: "media_unreadable" });
    expect(probe.wasStarted()).toBe(true);
  });
});

describe("a small file with many frames", () => {
  it("is refused while they are counted", async () => {
    const path = file(
      "tiny-frames.y4m",
      Buffer.from(`YUV4MPEG2 W1 H1 F25:1 Cmono\n${"FRAME\n0".repeat(90_000)}`),
    );
    await expect(openInTest(path)).rejects.toMatchObject({
      code: "media_unsupported",
      message: "The video has more than 88753 frames, which is the limit for a file of 630028 bytes.",
    });
  });

  it("in blocks of many frames is refused while its packets are counted", async () => {
    const content = lacedMatroska(400);
    const limit = 10_000 + Math.floor(content.length / 8);
    await expect(openInTest(file("laced.mkv", content))).rejects.toMatchObject({
      code: "media_unsupported",
      message: `The video has more than ${limit} frames, which is the limit for a file of ${content.length} bytes.`,
    });
  });

  it("whose index refers to the same bytes again and again is refused", async () => {
    const samples = { samples: 4000, sampleBytes: 50_000, chunks: 4000 };
    await expect(
      openInTest(file("overlap.mp4", mp4([header(track(samples))], 80_000))),
    ).rejects.toMatchObject({
      code: "media_unsupported",
      message: "The video's index refers to more than 18057216 bytes in a file of 80000 bytes.",
    });
  });

  it("has a limit by its size, and never more than the limit of all files", () => {
    const of = (size: number) => frameLimit(DEFAULT_MEDIA_LIMITS, size, "video");
    expect([0, 8, 800_000, 1e9, 1e12].map((size) => of(size).maxFrames)).toEqual([
      10_000, 10_001, 110_000, 2_000_000, 2_000_000,
    ]);
    expect([0, 800_000, 1e12].map((size) => of(size).maxPackets)).toEqual([30_000, 130_000, 6_000_000]);
    expect(of(20_000).exceeded().message).toBe(
      "The video has more than 12500 frames, which is the limit for a file of 20000 bytes.",
    );
    expect(of(1e12).exceeded().message).toBe("The video has more than 2000000 frames.");
  });
});

describe("a WebP animation", () => {
  it("of more pictures than can be found in seconds is refused before it is decoded", async () => {
    const opening = openInTest(file("many.webp", webpAnimation(20_010)));
    await expect(opening).rejects.toMatchObject({
      code: "media_unsupported",
      message: "The animation has more than 20000 pictures, the limit for WebP.",
    });
  });

  it("of fewer pictures is opened", async () => {
    expect((await openInTest(file("few.webp", webpAnimation(300)))).facts).toMatchObject({
      ...{ width: 1, height: 1, numFrames: 300, codec: "webp" },
    });
  });
});

it("a long video in which nothing moves, and one with uncompressed sound, are accepted", async () => {
  const clip = await makeClip({
    name: "still.mp4",
    frames: 12_000,
    ...{ width: 16, height: 16 },
    output: ["-vf", "trim=end_frame=1,loop=loop=11999:size=1:start=0"],
  });
  expect((await openInTest(clip)).facts).toMatchObject({ numFrames: 12_000 });
  const sound = track({ kind: "sound", samples: 100_000_000, ticks: 1, sampleBytes: 2 });
  // The picture is no JPEG: the file is refused because of it, not because of its sound.
  await expect(
    openInTest(file("pcm.mp4", mp4([header(track({ samples: 9 }), sound)]))),
  ).rejects.toMatchObject({
    code: "media_unreadable",
  });
});

it("sorts times in any order", async () => {
  const n = 100_000;
  const orders = {
    ascending: (i: number) => i,
    reordered: (i: number) => i + (i % 4 === 1 ? 2 : i % 4 === 3 ? -2 : 0),
    descending: (i: number) => n - i,
    scrambled: (i: number) => (i * 7919) % n,
  };
  for (const [name, timeOf] of Object.entries(orders)) {
    const ticks = Float64Array.from({ length: n }, (_, i) => timeOf(i));
    const positions = Uint32Array.from({ length: n }, (_, i) => i);
    await sortByTicks(positions, ticks);
    const sorted = Float64Array.from(positions, (position) => ticks[position] as number);
    expect(
      sorted.every((tick, i) => i === 0 || tick >= (sorted[i - 1] as number)),
      name,
    ).toBe(true);
    expect(new Set(positions).size, name).toBe(n);
  }
});
