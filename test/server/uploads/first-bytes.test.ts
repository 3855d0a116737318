import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { SNIFFED_BYTES } from "../../../server/media/sniff.js";
import { checkFirstBytes, createFirstBytes } from "../../../server/uploads/first-bytes.js";
import { makeTar, makeZip } from "../../helpers/archives.js";
import { makeClip, makeStill } from "../../helpers/media.js";

const bytes = (text: string) => Buffer.concat([Buffer.from(text, "latin1"), Buffer.alloc(SNIFFED_BYTES)]);

/** Bytes without a pattern, which gzip cannot compress. */
function noise(length: number): Buffer {
  let state = 1;
  return Buffer.from(
    Array.from({ length }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    }),
  );
}

const zipHeader = (flags: number, method: number, nameLength: number) => {
  const header = bytes("PK\x03\x04");
  header.writeUInt16LE(flags, 6);
  header.writeUInt16LE(method, 8);
  header.writeUInt16LE(nameLength, 26);
  return header;
};

test.each<[string, Buffer, string]>([
  ["noise", noise(SNIFFED_BYTES), "media_unsupported"],
  ["zeros", Buffer.alloc(SNIFFED_BYTES), "media_unsupported"],
  ["text", Buffer.alloc(SNIFFED_BYTES, "text "), "media_unsupported"],
  ["a PDF", bytes("%PDF-1.7"), "media_unsupported"],
  ["an AVIF picture", bytes("\0\0\0\x1cftypavif"), "media_unsupported"],
  ["gzip data without a tar archive", gzipSync(noise(8000)), "media_unreadable"],
  ["damaged gzip data", Buffer.concat([Buffer.from([0x1f, 0x8b]), noise(SNIFFED_BYTES)]), "media_unreadable"],
  ["a tar header with a wrong checksum", bytes(`${"a".repeat(257)}ustar`), "media_unreadable"],
  ["an encrypted ZIP entry", zipHeader(1, 8, 5), "media_unsupported"],
  ["a ZIP entry with another compression method", zipHeader(0, 14, 5), "media_unsupported"],
  ["a ZIP entry without a name", zipHeader(0, 8, 0), "media_unreadable"],
])("refuses %s", (_, head, code) => {
  expect(() => checkFirstBytes(head.subarray(0, SNIFFED_BYTES))).toThrow(expect.objectContaining({ code }));
});

test("accepts videos, pictures and archives", async () => {
  const still = await readFile(await makeStill("first.bmp.png", 1, 900, 700));
  const clip = await readFile(await makeClip({ name: "first.mp4", frames: 30 }));
  const files = { "1.png": noise(5000), "2.png": still };
  const tar = await makeTar(Object.entries(files).map(([name, content]) => [{ name }, content]));
  const archives = [await makeZip(files), await makeZip(files, { compress: false }), tar, gzipSync(tar)];
  for (const file of [still, clip, ...archives]) {
    expect(file.length).toBeGreaterThan(SNIFFED_BYTES);
    checkFirstBytes(file.subarray(0, SNIFFED_BYTES));
  }
});

test("checks once, whatever the size of the chunks", () => {
  for (const chunkBytes of [1, 100, SNIFFED_BYTES - 1, SNIFFED_BYTES, 10 * SNIFFED_BYTES]) {
    const first = createFirstBytes();
    const text = Buffer.alloc(10 * SNIFFED_BYTES, "text ");
    let read = 0;
    const readAll = () => {
      for (let at = 0; at < text.length; at += chunkBytes) {
        read = Math.min(text.length, at + chunkBytes);
        first.add(text.subarray(at, read));
      }
    };
    expect(readAll).toThrow(expect.objectContaining({ code: "media_unsupported" }));
    expect(read).toBeLessThan(SNIFFED_BYTES + chunkBytes);
  }
});
