/** Weights in another file than the graph: loaded by the runtime when valid, otherwise refused before it opens them. */
import { rm, symlink, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { int32 } from "../../../detector/graph.js";
import { openGraphs } from "../../../server/engine/graphs.js";
import { openPack } from "../../../server/packs/pack.js";
import { withExternalData } from "../../helpers/onnx-file.js";
import { compactPackDir, copyCompactPack, type PackCopy } from "../../helpers/tiny-pack.js";

/** A pack whose text graph has its weights at `location`. The weights are in text.data, listed in the manifest or not. */
async function packWithExternalData(
  location: string,
  { listed = true, claimedLength }: { listed?: boolean; claimedLength?: number } = {},
): Promise<PackCopy & { tensor: string }> {
  const pack = await copyCompactPack();
  let data: Buffer = Buffer.alloc(0);
  let tensor = "";
  await pack.editFile(
    "text.onnx",
    (bytes) => {
      const moved = withExternalData(bytes, location, { ...(claimedLength && { claimedLength }) });
      data = moved.data;
      tensor = moved.tensors[0] ?? "";
      return moved.graph;
    },
    { resign: true },
  );
  await writeFile(pack.path("text.data"), data);
  if (listed) {
    await pack.editManifest(({ files }) => files.push({ name: "text.data", bytes: 0, sha256: "" }));
    await pack.editFile("text.data", (bytes) => bytes, { resign: true });
  }
  return { ...pack, tensor };
}

async function textFeatures(directory: string): Promise<number[]> {
  const pack = await openPack(directory);
  const graphs = await openGraphs(pack, { providers: ["cpu"], threads: 1, warn: () => {} });
  const { ids, mask } = pack.tokenize?.("red circle") ?? {};
  if (!ids || !mask) throw new Error("the pack has no tokenizer");
  const inputs = { input_ids: int32([1, ids.length], ids), attention_mask: int32([1, ids.length], mask) };
  return [...((await graphs.run("text", inputs, ["text"])).text?.data ?? [])];
}

test("computes the same with the weights in another file of the pack", { timeout: 60_000 }, async () => {
  const { directory } = await packWithExternalData("text.data");
  expect(await textFeatures(directory)).toEqual(await textFeatures(compactPackDir));
});

describe("refuses, with the tensor's name,", () => {
  test.each(["../text.data", "sub/../../text.data", "/etc/passwd"])(
    "a location outside the folder: %s",
    async (location) => {
      const { directory, tensor } = await packWithExternalData(location);
      await expect(openPack(directory)).rejects.toThrow(
        `text.onnx: tensor "${tensor}" has its values in "${location}": expected a file inside the pack's folder.`,
      );
    },
  );

  test("a file that the manifest does not list", async () => {
    const { directory, tensor } = await packWithExternalData("text.data", { listed: false });
    await expect(openPack(directory)).rejects.toThrow(
      `text.onnx: tensor "${tensor}" has its values in "text.data": expected a file that manifest.json lists with length and hash.`,
    );
  });

  test("a range beyond the end of the file", async () => {
    const { directory, tensor } = await packWithExternalData("text.data", { claimedLength: 123_456_789 });
    await expect(openPack(directory)).rejects.toThrow(
      new RegExp(
        `^text\\.onnx: tensor "${tensor}" has its values in "text\\.data" at byte 0, 123456789 bytes long: ` +
          String.raw`expected an end within its \d+ bytes\.$`,
      ),
    );
  });
});

test("refuses truncated weights like any other truncated file", async () => {
  const pack = await packWithExternalData("text.data");
  await pack.editFile("text.data", (bytes) => bytes.subarray(0, 1000));
  await expect(openPack(pack.directory)).rejects.toThrow(
    /^text\.data: the length differs: expected \d+ bytes, found 1000\.$/,
  );
});

test("refuses weights behind a link that leads out of the folder", async () => {
  const pack = await packWithExternalData("text.data");
  const elsewhere = await packWithExternalData("text.data");
  await rm(pack.path("text.data"));
  await symlink(elsewhere.path("text.data"), pack.path("text.data"));
  await expect(openPack(pack.directory)).rejects.toThrow(
    "text.data: the file lies outside the pack's folder.",
  );
});

test.each([
  [
    "half of a graph",
    (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1),
    /found a field that ends at byte \d+, after the end \d+\.$/,
  ],
  [
    "a file that is not protobuf",
    () => Buffer.from("not a graph\n"),
    /expected a protobuf field at byte \d+, found .+\.$/,
  ],
])("refuses %s with the position of the fault", async (_, edit, reason) => {
  const pack = await copyCompactPack();
  await pack.editFile("encode.onnx", edit, { resign: true });
  await expect(openPack(pack.directory)).rejects.toThrow(/^encode\.onnx: not a complete ONNX file: /);
  await expect(openPack(pack.directory)).rejects.toThrow(reason);
});
