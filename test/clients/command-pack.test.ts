/** `masklet pack`: list, verify and add, with copies of the embedded pack. */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { resolvePack } from "../../clients/command/pack/find.js";
import { makeTar, makeTarGz, makeZip, makeZipRenamed } from "../helpers/archives.js";
import { callCommand } from "../helpers/command.js";
import {
  compactPackDir,
  copyCompactPack,
  type PackCopy,
  readManifest,
  renamed,
} from "../helpers/tiny-pack.js";

let data: string;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "masklet-data-"));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
});

const run = (...args: string[]) => callCommand(["pack", ...args]);
const added = () => readdir(join(data, "packs")).catch(() => []);

async function namedCopy(id: string): Promise<PackCopy> {
  const pack = await copyCompactPack();
  await pack.editManifest((manifest) => {
    manifest.id = id;
  });
  return pack;
}

/** An archive beside the packs. */
async function archive(name: string, bytes: Uint8Array | Promise<Uint8Array>): Promise<string> {
  await writeFile(join(data, name), await bytes);
  return join(data, name);
}

describe("masklet pack list", () => {
  it("lists the embedded pack with its models, size and licence, and packs that cannot be used", async () => {
    await mkdir(join(data, "packs", "empty"), { recursive: true });
    const { status, stdout } = await run("list", "--data", data, "--json");
    const { packs } = JSON.parse(stdout);
    expect(status).toBe(0);
    const [compact, empty] = packs;
    expect(compact).toMatchObject({
      name: "compact",
      embedded: true,
      license: "Apache-2.0",
      folder: compactPackDir,
    });
    expect(compact.models.map(({ role }: { role: string }) => role)).toContain("remember");
    expect(compact.bytes).toBeGreaterThan(compact.models[0].bytes);
    expect(empty).toMatchObject({ name: "empty", problem: "empty: manifest.json cannot be read (ENOENT)." });
    const text = (await run("list", "--data", data)).stdout;
    const { version } = await readManifest(compactPackDir);
    expect(text).toMatch(
      /^compact {2}\S+ {2}compact {2}\d+\.\d MB {2}Apache-2\.0 {2}encode, text, .*render\n/,
    );
    expect(text.split("  ")[1]).toBe(version);
    expect(text).toContain("empty  cannot be used: ");
  });
});

describe("masklet pack verify", () => {
  it("finds no fault in the embedded pack", async () => {
    const { status, stdout, stderr } = await run("verify", "compact");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout.split("\n").filter((line) => line.startsWith("ok "))).toHaveLength(20);
  });

  it("reports every fault with file, tensor, what was expected and what was found", async () => {
    const pack = await namedCopy("faulty");
    const { files, geometry } = await readManifest(pack.directory);
    const textBytes = files.find(({ name }) => name === "text.onnx")?.bytes;
    await pack.editFile("seed.onnx", (bytes) => renamed(bytes, "pointer", "pointex"), { resign: true });
    await pack.editFile("remember.onnx", (bytes) => renamed(bytes, "binarize", "binarise"), { resign: true });
    await pack.editFile("text.onnx", (bytes) => bytes.subarray(0, 100));
    await unlink(pack.path("track.onnx"));
    await pack.editFile("tokenizer.json", () => Buffer.from("{}"), { resign: true });
    const { status, stdout, stderr } = await run("verify", pack.directory, "--json");
    const { valid, checks } = JSON.parse(stdout);
    const faults = checks.flatMap((check: { faults: unknown[] }) => check.faults);
    expect([status, valid]).toEqual([1, false]);
    expect(stderr).toBe(`${pack.directory} breaks the Model Pack contract: ${faults.length} faults.\n`);
    expect(faults).toEqual([
      expect.objectContaining({ file: "text.onnx", expected: `${textBytes} bytes`, found: "100 bytes" }),
      expect.objectContaining({ file: "track.onnx", found: "no file" }),
      expect.objectContaining({
        file: "seed.onnx",
        tensor: "pointer",
        expected: `float32 [B, ${geometry.D}]`,
        found: expect.stringContaining("pointex"),
      }),
      expect.objectContaining({ file: "remember.onnx", tensor: "binarize", expected: "float32 [B]" }),
      expect.objectContaining({
        file: "remember.onnx",
        tensor: "binarise",
        found: expect.stringContaining("float32"),
      }),
      expect.objectContaining({ file: "tokenizer.json" }),
    ]);
  });

  it("reports every invalid field of a manifest", async () => {
    const pack = await namedCopy("fields");
    await pack.editManifest((manifest) => {
      Object.assign(manifest, { license: "", graphs: manifest.graphs.filter(({ role }) => role !== "seed") });
      manifest.geometry.S = -1;
    });
    const { stdout } = await run("verify", pack.directory);
    expect(stdout).toMatch(/^fault {2}manifest\.json: license: /m);
    expect(stdout).toMatch(/^fault {2}manifest\.json: geometry\.S: /m);
  });

  it("names the packs that exist for an unknown one", async () => {
    const { status, stderr } = await run("verify", "nosuch", "--data", data);
    expect([status, stderr]).toEqual([
      2,
      'PACK: expected a folder or the name of a pack (compact), got "nosuch".\n',
    ]);
  });
});

describe("masklet pack add", () => {
  it("copies what the manifest lists, so that serve --pack finds it, and replaces it only on demand", async () => {
    const pack = await namedCopy("mine");
    await writeFile(pack.path("LICENSE"), "a licence");
    await writeFile(pack.path("secret.txt"), "not listed");
    const { status, stdout } = await run("add", pack.directory, "--data", data, "--json");
    const folder = join(data, "packs", "mine");
    expect([status, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ name: "mine", folder })]);
    expect(await readdir(folder)).toEqual(
      expect.arrayContaining(["LICENSE", "manifest.json", "encode.onnx"]),
    );
    expect(await readdir(folder)).not.toContain("secret.txt");
    expect(await resolvePack("mine", data, "--pack")).toBe(folder);
    const again = await run("add", pack.directory, "--data", data);
    expect([again.status, again.stderr]).toEqual([1, `${folder} exists; --replace replaces it.\n`]);
    expect((await run("add", pack.directory, "--data", data, "--replace")).status).toBe(0);
    expect(await added()).toEqual(["mine"]);
  });

  it("unpacks a ZIP archive of a folder", async () => {
    const pack = await namedCopy("zipped");
    const files = Object.fromEntries(
      await Promise.all(
        (await readdir(pack.directory)).map(async (name) => [
          `zipped/${name}`,
          await readFile(pack.path(name)),
        ]),
      ),
    );
    const path = await archive("zipped.zip", makeZip(files));
    expect(await run("add", path, "--data", data)).toMatchObject({ status: 0, stdout: "" });
    expect(await added()).toEqual(["zipped"]);
  });

  it.each<[string, () => Promise<string>, RegExp]>([
    [
      "a path out of the archive",
      () => archive("up.tar", makeTar([[{ name: "../../evil" }, "x"]])),
      /"\.\.\/\.\.\/evil": expected a path inside the archive's folder\.\n$/,
    ],
    [
      "an absolute path",
      () => archive("root.tgz", makeTarGz({ "/tmp/evil": "x" })),
      /"\/tmp\/evil": expected a path inside/,
    ],
    [
      "a link",
      () =>
        archive("link.tar", makeTar([[{ name: "manifest.json", type: "symlink", linkname: "/etc/passwd" }]])),
      /"manifest\.json": expected a file or a folder, found symlink\.\n$/,
    ],
    [
      "a name that appears twice",
      () =>
        archive(
          "twice.tar",
          makeTar([
            [{ name: "a" }, "x"],
            [{ name: "a" }, "y"],
          ]),
        ),
      /twice\.tar cannot be unpacked: EEXIST/,
    ],
    [
      "a path out of a ZIP archive",
      () => archive("up.zip", makeZipRenamed({ "aa/evil": "x" }, "aa/", "../")),
      /up\.zip cannot be unpacked: .*\.\.\/evil/,
    ],
    [
      "a link in a ZIP archive",
      () => archive("link.zip", makeZip({ a: "/etc/passwd" }, { modes: { a: 0o120777 } })),
      /"a": expected a file or a folder, found a link\.\n$/,
    ],
    [
      "an archive without a manifest",
      () => archive("none.tgz", makeTarGz({ a: "x" })),
      /contains no manifest\.json/,
    ],
    [
      "a damaged archive",
      () => archive("cut.tgz", Buffer.from([0x1f, 0x8b, 8, 0, 1])),
      /cut\.tgz cannot be unpacked: /,
    ],
    [
      "a file that is a link out of the pack",
      async () => {
        const pack = await namedCopy("linked");
        await unlink(pack.path("seed.onnx"));
        await symlink(join(compactPackDir, "seed.onnx"), pack.path("seed.onnx"));
        return pack.directory;
      },
      /^seed\.onnx: expected a file inside the pack's folder, it is a link out of it\.\n$/,
    ],
    [
      "an id that is a path",
      async () => (await namedCopy("../up")).directory,
      /^manifest\.json: id: expected letters, digits, .* got "\.\.\/up"\.\n$/,
    ],
    ["the name of an embedded pack", async () => compactPackDir, /^compact is the name of an embedded pack/],
    [
      "a faulty pack",
      async () => {
        const pack = await namedCopy("faulty");
        await pack.editFile("seed.onnx", (bytes) => bytes.subarray(1));
        return pack.directory;
      },
      / is not added: seed\.onnx: the length differs/,
    ],
  ])("refuses %s, and leaves nothing behind", async (_, make, sentence) => {
    const { status, stderr } = await run("add", await make(), "--data", data);
    expect(stderr).toMatch(sentence);
    expect(status).toBe(1);
    expect(await added()).toEqual([]);
  });
});
