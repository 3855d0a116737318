import { rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { openPack } from "../../../server/packs/pack.js";
import { compactPackDir, copyCompactPack, readManifest } from "../../helpers/tiny-pack.js";

test("opens the embedded pack, with all eight graphs and a tokenizer", async () => {
  const pack = await openPack(compactPackDir);
  expect(pack.manifest.id).toBe("compact");
  expect(pack.graphs.map(({ role }) => role).sort()).toEqual([
    "detect",
    "encode",
    "remember",
    "render",
    "seed",
    "segment",
    "text",
    "track",
  ]);
  expect(pack.tokenize).toBeDefined();
});

test("refuses a folder without a manifest", async () => {
  await expect(openPack(tmpdir())).rejects.toThrow(/^manifest\.json cannot be read: ENOENT/);
});

test("refuses a manifest with a path out of the folder", async () => {
  const pack = await copyCompactPack();
  await pack.editManifest(({ files }) => {
    Object.assign(files[0] as object, { name: "../encode.onnx" });
  });
  await expect(openPack(pack.directory)).rejects.toThrow(
    "manifest.json: files.0.name: must stay inside the pack's folder",
  );
});

test("refuses a link that leads out of the folder", async () => {
  const pack = await copyCompactPack();
  await rm(pack.path("track.onnx"));
  await symlink(path.join(compactPackDir, "track.onnx"), pack.path("track.onnx"));
  await expect(openPack(pack.directory)).rejects.toThrow(
    "track.onnx: the file lies outside the pack's folder.",
  );
});

test("names a missing file", async () => {
  const pack = await copyCompactPack();
  await rename(pack.path("seed.onnx"), pack.path("seeds.onnx"));
  await expect(openPack(pack.directory)).rejects.toThrow("seed.onnx: the file is missing.");
});

test("names a file of another length with both lengths", async () => {
  const pack = await copyCompactPack();
  const bytes =
    (await readManifest(pack.directory)).files.find(({ name }) => name === "detect.onnx")?.bytes ?? 0;
  await pack.editFile("detect.onnx", (content) => content.subarray(0, 100));
  await expect(openPack(pack.directory)).rejects.toThrow(
    `detect.onnx: the length differs: expected ${bytes} bytes, found 100.`,
  );
});

test("names a file in which one bit differs", async () => {
  const pack = await copyCompactPack();
  await pack.editFile("encode.onnx", (content) => {
    content.writeUInt8((content.at(-1) ?? 0) ^ 1, content.length - 1);
    return content;
  });
  await expect(openPack(pack.directory)).rejects.toThrow(
    /^encode\.onnx: the SHA-256 differs: expected .{64}, found .{64}\.$/,
  );
});

test("names a tokenizer that cannot be read", async () => {
  const pack = await copyCompactPack();
  await pack.editFile("tokenizer.json", () => Buffer.from("{}"), { resign: true });
  await expect(openPack(pack.directory)).rejects.toThrow(/^tokenizer\.json: not a readable tokenizer: /);
});

test("names a missing tokenizer", async () => {
  const pack = await copyCompactPack();
  await rm(pack.path("tokenizer.json"));
  await expect(openPack(pack.directory)).rejects.toThrow("tokenizer.json: the file is missing.");
});

test("ignores files that the manifest does not list", async () => {
  const pack = await copyCompactPack();
  await writeFile(pack.path("notes.txt"), "trained on a Tuesday");
  await expect(openPack(pack.directory)).resolves.toMatchObject({ manifest: { id: "compact" } });
});
