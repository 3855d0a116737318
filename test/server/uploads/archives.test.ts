import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfig, type ServerConfig } from "../../../server/config.js";
import { createShares } from "../../../server/shares/shares.js";
import { createUploadStore, type UploadStore } from "../../../server/uploads/store.js";
import { type Files, makeTar, makeTarGz, makeZip, makeZipRenamed } from "../../helpers/archives.js";
import { makeClip, mediaDirectory, mediaPath, paintFrame, readFrameNumber } from "../../helpers/media.js";

const size = { width: 96, height: 64 };
let parent: string;
let store: UploadStore;
const stores: UploadStore[] = [];

beforeEach(() => {
  parent = mkdtempSync(join(mediaDirectory(), "archives-"));
  newStore();
});
afterEach(async () => {
  await Promise.all(stores.splice(0).map((one) => one.close()));
  expect(readdirSync(parent)).toEqual([]);
});

function newStore(limits: Partial<ServerConfig> = {}): void {
  const config = { ...readConfig({}, {}), ...limits };
  store = createUploadStore({ parent, limits: config, shares: createShares({ limits: config }) });
  stores.push(store);
}

const jpeg = (number: number) =>
  sharp(paintFrame(number, 96, 64), { raw: { ...size, channels: 3 } })
    .jpeg({ quality: 95 })
    .toBuffer();
const bodyOf = async function* (bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000);
};
const receive = (bytes: Uint8Array) => store.receive(bodyOf(bytes));

/** Paths of everything below the store's folder, without the folder's own name. */
const onDisk = () =>
  readdirSync(parent, { recursive: true, encoding: "utf8" }).map((path) =>
    path.split("/").slice(1).join("/"),
  );

async function numbersOf(uploadId: string): Promise<number[]> {
  const media = await store.openMedia(uploadId);
  const numbers: number[] = [];
  for await (const { rgb } of media.frames({ startFrame: 0, count: 99, direction: "forward", ...size })) {
    numbers.push(readFrameNumber(rgb, 96, 64));
  }
  await media.close();
  return numbers;
}

const frames = async (): Promise<Files> => ({
  "frames/10.jpg": await jpeg(10),
  "frames/2.JPG": await jpeg(2),
  "frames/notes.txt": "text",
  "frames/.DS_Store": "hidden",
  "frames/7.mp4": await jpeg(7),
});
const kinds: [string, (files: Files) => Promise<Buffer>][] = [
  ["zip", (files) => makeZip(files)],
  ["stored zip", (files) => makeZip(files, { compress: false })],
  ["tar", (files) => makeTar(Object.entries(files).map(([name, content]) => [{ name }, content]))],
  ["tar.gz", makeTarGz],
];

describe.each(kinds)("a %s", (_kind, make) => {
  it("of pictures is a folder of frames in natural order", async () => {
    const bytes = await make(await frames());
    const upload = await receive(bytes);
    expect(upload).toMatchObject({
      bytes: bytes.length,
      facts: { kind: "frames", ...size, numFrames: 3, codec: "jpeg" },
      taken: ["frames/2.JPG", "frames/7.mp4", "frames/10.jpg"],
      leftOut: {
        count: 2,
        files: [
          { name: "frames/.DS_Store", reason: "a hidden file" },
          { name: "frames/notes.txt", reason: "text" },
        ],
      },
    });
    expect(await numbersOf(upload.uploadId)).toEqual([2, 7, 10]);
    const media = await store.openMedia(upload.uploadId);
    expect(media.facts).toMatchObject({ leftOut: { count: 2 } });
    await media.close();
    expect(await store.remove(upload.uploadId)).toBe(true);
    expect(onDisk()).toEqual([""]);
  });

  it("of one video is that video", async () => {
    const clip = await readFile(await makeClip({ name: "in-archive.mp4", frames: 30 }));
    const upload = await receive(await make({ "my clip.jpg": clip, "readme.md": "text" }));
    expect(upload).toMatchObject({
      facts: { kind: "video", numFrames: 30 },
      taken: ["my clip.jpg"],
      leftOut: { count: 1, files: [{ name: "readme.md", reason: "text" }] },
    });
    expect((await numbersOf(upload.uploadId)).at(-1)).toBe(29);
  });

  it("of one picture is that picture", async () => {
    expect(await receive(await make({ "a/b/c.jpg": await jpeg(5) }))).toMatchObject({
      facts: { kind: "image", numFrames: 1 },
      taken: ["a/b/c.jpg"],
      leftOut: { count: 0 },
    });
  });

  it("of a video and a picture, or of two videos, is refused: either could be meant", async () => {
    const clip = await readFile(await makeClip({ name: "in-archive.mp4", frames: 30 }));
    const mixtures: [Files, string][] = [
      [{ "a.jpg": await jpeg(1), "b.mp4": clip }, 'a video, "b.mp4", and a picture, "a.jpg"'],
      [{ "b.mp4": clip, "c.jpg": await jpeg(1) }, 'a video, "b.mp4", and a picture, "c.jpg"'],
      [{ "a.mp4": clip, "b.mp4": clip }, 'two videos, "a.mp4" and "b.mp4"'],
    ];
    for (const [files, found] of mixtures) {
      await expect(receive(await make(files))).rejects.toMatchObject({
        code: "media_unsupported",
        message: `The archive contains ${found}; expected pictures only, or one video.`,
      });
    }
    expect(onDisk()).toEqual([""]);
  });

  it("without pictures is refused with what it contains; an archive inside is not opened", async () => {
    const inner = await makeZip({ "1.jpg": await jpeg(1) });
    const tarball = await makeTarGz({ "1.jpg": await jpeg(1) });
    await expect(receive(await make({ "inner.zip": inner, "x.tgz": tarball }))).rejects.toMatchObject({
      code: "media_unsupported",
      message:
        'The archive contains no pictures and no video: found "inner.zip" (a ZIP archive), "x.tgz" (a gzip file); videos (MP4, MOV, MKV, WebM, AVI, MPEG-TS, MPEG-PS, FLV, Ogg, Y4M) and pictures (JPEG, PNG, WebP, BMP, TIFF, GIF) are supported.',
    });
    await expect(receive(await make({}))).rejects.toMatchObject({ code: expect.stringMatching(/^media_un/) });
    expect(onDisk()).toEqual([""]);
  });

  it("with pictures of two sizes is refused, and names them", async () => {
    const other = await sharp(paintFrame(1, 90, 64), { raw: { width: 90, height: 64, channels: 3 } })
      .png()
      .toBuffer();
    await expect(receive(await make({ "1.jpg": await jpeg(1), "2.jpg": other }))).rejects.toMatchObject({
      code: "media_unsupported",
      message: expect.stringMatching(/2\.jpg is 90×64.*1\.jpg.*96×64/),
    });
  });

  it("cut short is refused", async () => {
    const bytes = await make(await frames());
    for (const fraction of [0.3, 0.9]) {
      const cut = bytes.subarray(0, Math.floor(bytes.length * fraction));
      await expect(receive(cut)).rejects.toMatchObject({ code: "media_unreadable" });
    }
    expect(onDisk()).toEqual([""]);
  });

  it("with more entries than the limit is refused, whatever they are", async () => {
    newStore({ maxUploadEntries: 3 });
    const files: Files = { "1.jpg": await jpeg(1), "2.jpg": await jpeg(2), "3.jpg": await jpeg(3) };
    expect((await receive(await make(files))).facts.numFrames).toBe(3);
    await expect(receive(await make({ ...files, "4.txt": "text" }))).rejects.toMatchObject({
      code: "upload_too_large",
      message: expect.stringContaining("3"),
    });
  });

  it("that expands to more than the limits is refused and leaves nothing", async () => {
    const bmp = Buffer.concat([
      Buffer.from("BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "latin1"),
      Buffer.alloc(300_000),
    ]);
    const bytes = await make({ "1.bmp": bmp, "2.bmp": bmp, "3.bmp": bmp });
    newStore({ maxUploadBytes: 700_000 });
    await expect(receive(bytes)).rejects.toMatchObject({ code: "upload_too_large" });
    newStore({ maxTotalUploadBytes: bytes.length + 700_000 });
    await expect(receive(bytes)).rejects.toMatchObject({ code: "quota_exceeded" });
    expect(onDisk().filter((path) => path !== "")).toEqual([]);
    // The bytes of refused uploads are released.
    await receive(await make({ "1.jpg": await jpeg(1) }));
  });
});

it("a ZIP archive with a changed byte in a stored picture is refused", async () => {
  const bytes = await makeZip({ "1.jpg": await jpeg(1), "2.jpg": await jpeg(2) }, { compress: false });
  const at = bytes.lastIndexOf("2.jpg", bytes.indexOf("PK\x01\x02", "latin1")) + 200;
  bytes[at] = (bytes[at] as number) ^ 1;
  await expect(receive(bytes)).rejects.toMatchObject({
    code: "media_unreadable",
    message: expect.stringMatching(
      /^The ZIP archive is damaged: "2.jpg" has the checksum [0-9a-f]{8}; expected [0-9a-f]{8}\.$/,
    ),
  });
  expect(onDisk()).toEqual([""]);
});

describe("a hostile archive", () => {
  it("with names that lead outside is taken without those entries", async () => {
    const outside = mediaPath("outside.jpg");
    const files = { "1.jpg": await jpeg(1), "2.jpg": await jpeg(2) };
    const zip = await makeZipRenamed(
      { ...files, "xx/xx/xx/evil.jpg": await jpeg(3) },
      "xx/xx/xx/evil",
      "../../../evil",
    );
    expect(await receive(zip)).toMatchObject({
      facts: { numFrames: 2 },
      leftOut: { files: [{ name: "../../../evil.jpg", reason: "its name leads outside the archive" }] },
    });
    const names = [outside, "../evil.jpg", "a/../../evil.jpg", "C:\\evil.jpg", "..\\evil.jpg", "a\nb.jpg"];
    const evil = await jpeg(3);
    const tar = await makeTar([
      ...Object.entries(files).map(([name, content]): [{ name: string }, Buffer] => [{ name }, content]),
      ...names.map((name): [{ name: string }, Buffer] => [{ name }, evil]),
    ]);
    const upload = await receive(tar);
    expect(upload.facts.numFrames).toBe(2);
    expect(upload.leftOut?.count).toBe(names.length);
    expect(await numbersOf(upload.uploadId)).toEqual([1, 2]);
    expect(readdirSync(mediaDirectory())).not.toContain("outside.jpg");
    expect(readdirSync(mediaDirectory())).not.toContain("evil.jpg");
    // Names on disk are the store's own.
    for (const path of onDisk()) expect(path).toMatch(/^$|^[0-9a-f-]{36}(\/(\d+|frames\.json))?$/);
  });

  it("with links, devices and pipes is taken without them", async () => {
    const picture = await jpeg(1);
    const zip = await makeZip(
      { "1.jpg": picture, "2.jpg": "/etc/passwd", "3.jpg": "" },
      { modes: { "2.jpg": 0o120777, "3.jpg": 0o010644 } },
    );
    expect(await receive(zip)).toMatchObject({
      facts: { kind: "image" },
      leftOut: {
        files: [
          { name: "2.jpg", reason: "a link" },
          { name: "3.jpg", reason: "a device or pipe" },
        ],
      },
    });
    const tar = await makeTar([
      [{ name: "1.jpg" }, picture],
      [{ name: "2.jpg", type: "symlink", linkname: "/etc/passwd" }],
      [{ name: "3.jpg", type: "link", linkname: "1.jpg" }],
      [{ name: "4.jpg", type: "character-device" }],
      [{ name: "5.jpg", type: "fifo" }],
    ]);
    expect((await receive(tar)).leftOut?.files.map(({ reason }) => reason)).toEqual([
      ...["a link", "a link", "a device", "a pipe"],
    ]);
  });

  it("that is a decompression bomb is refused before it fills the disk", async () => {
    newStore();
    const header = Buffer.from("BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "latin1");
    const bomb = Buffer.concat([header, Buffer.alloc(80 * 1024 ** 2)]);
    const archives = [await makeZip({ "1.bmp": bomb }), await makeTarGz({ "1.bmp": bomb })];
    // Entries that are not wanted expand too in a compressed tar archive.
    archives.push(await makeTarGz({ "zeroes.bin": bomb.subarray(20) }));
    for (const bytes of archives) {
      expect(bytes.length).toBeLessThan(100_000);
      await expect(receive(bytes)).rejects.toMatchObject({
        code: "upload_too_large",
        message: expect.stringContaining("100 times its size"),
      });
    }
    // In a ZIP archive only the first bytes of such entries are read.
    const zip = await makeZip({ "1.jpg": await jpeg(1), "zeroes.bin": bomb.subarray(20) });
    expect((await receive(zip)).facts.numFrames).toBe(1);
  });

  it("with a million entries is refused by the number in its directory", async () => {
    const bytes = await makeZip({ "1.jpg": await jpeg(1) });
    const end = bytes.lastIndexOf("PK\x05\x06");
    bytes.writeUInt16LE(65_000, end + 8);
    bytes.writeUInt16LE(65_000, end + 10);
    newStore({ maxUploadEntries: 64_000 });
    await expect(receive(bytes)).rejects.toMatchObject({
      code: "upload_too_large",
      message: "The archive has 65000 entries; the limit is 64000 (maxUploadEntries).",
    });
  });

  it("that is encrypted, or compressed by another method, is refused with the entry's name", async () => {
    const bytes = await makeZip({ "1.jpg": await jpeg(1) });
    const directory = bytes.lastIndexOf("PK\x01\x02");
    const encrypted = Buffer.from(bytes);
    encrypted.writeUInt16LE(bytes.readUInt16LE(directory + 8) | 1, directory + 8);
    await expect(receive(encrypted)).rejects.toMatchObject({
      code: "media_unsupported",
      message: 'The archive is encrypted: "1.jpg" needs a password.',
    });
    const lzma = Buffer.from(bytes);
    lzma.writeUInt16LE(14, directory + 10);
    await expect(receive(lzma)).rejects.toMatchObject({
      code: "media_unsupported",
      message: expect.stringContaining('"1.jpg" in the archive has compression method 14'),
    });
  });

  it("with false sizes, or gzip data without a tar archive, is refused", async () => {
    const bytes = await makeZip({ "1.jpg": await jpeg(1) });
    bytes.writeUInt32LE(10, bytes.lastIndexOf("PK\x01\x02") + 24);
    await expect(receive(bytes)).rejects.toMatchObject({ code: "media_unreadable" });
    const gzip = gzipSync(Buffer.alloc(5000, "text "));
    await expect(receive(gzip)).rejects.toMatchObject({
      code: "media_unreadable",
      message: expect.stringContaining("contains no tar archive"),
    });
  });

  it("leaves nothing when its sender disconnects while it is unpacked", async () => {
    const sender = new AbortController();
    const files: Files = {};
    for (let i = 0; i < 200; i++) files[`${i}.jpg`] = await jpeg(i);
    const bytes = await makeZip(files);
    const receiving = store.receive(bodyOf(bytes), { signal: sender.signal });
    await expect.poll(() => onDisk().some((path) => /\/\d+$/.test(path))).toBe(true);
    sender.abort(new Error("the sender disconnected"));
    await expect(receiving).rejects.toThrow("the sender disconnected");
    expect(onDisk()).toEqual([""]);
  });
});

it("reads archives of the system's tar, with long names and folders", async () => {
  const folder = mediaPath("long/x").slice(0, -2);
  const name = `${"ä".repeat(60)} ${"b".repeat(60)}`;
  for (const i of [1, 2, 10]) writeFileSync(join(folder, `${name} ${i}.jpg`), await jpeg(i));
  const bytes = execFileSync("tar", ["-cz", "-C", mediaDirectory(), "long"], { maxBuffer: 10_000_000 });
  const upload = await receive(bytes);
  expect(upload.taken?.[2]).toBe(`long/${name} 10.jpg`);
  expect(await numbersOf(upload.uploadId)).toEqual([1, 2, 10]);
});
