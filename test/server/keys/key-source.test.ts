import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { createKey } from "../../../server/keys/key.js";
import { keyLine } from "../../../server/keys/key-lines.js";
import { readKeys } from "../../../server/keys/key-source.js";
import { mediaPath } from "../../helpers/media.js";

const line = keyLine("ann", createKey());

async function keysFile(name: string, text: string | Buffer, mode = 0o600): Promise<string> {
  const path = mediaPath(`keys/${name}`);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}

const posix = test.skipIf(process.platform === "win32");

test("reads a file, also through a link", async () => {
  const path = await keysFile("plain", `${line}\n`);
  expect(await readKeys(path)).toEqual({ keys: [expect.objectContaining({ name: "ann" })] });
  const link = mediaPath("keys/link");
  await symlink(path, link);
  expect((await readKeys(link)).keys).toHaveLength(1);
});

test("reads the lines themselves from the setting", async () => {
  expect((await readKeys(`${line}\n${keyLine("bob", createKey())}`)).keys).toHaveLength(2);
  await expect(readKeys("ann:sha256:short")).rejects.toThrow(
    "The setting keysFile, line 1: expected 64 hex digits",
  );
});

test("does not repeat a key that is given in place of a file", async () => {
  await expect(readKeys(createKey())).rejects.toThrow(
    /^keysFile is a key; expected a file with the hashes of keys\.$/,
  );
});

posix("warns of a file that other users can read, and rejects one that they can change", async () => {
  const readable = await readKeys(await keysFile("readable", line, 0o644));
  expect(readable.warning).toMatch(/^Other users of this machine can read the keys file .*chmod 600/);
  for (const mode of [0o620, 0o602, 0o666]) {
    await expect(readKeys(await keysFile(`writable-${mode}`, line, mode))).rejects.toThrow(
      /can be changed by other users of this machine; use chmod 600\.$/,
    );
  }
});

test("rejects files that contain no keys, in one sentence that names the file", async () => {
  const missing = mediaPath("keys/missing");
  await expect(readKeys(missing)).rejects.toThrow(`The keys file ${missing} does not exist.`);
  await expect(readKeys(dirname(missing))).rejects.toThrow(/ is not a regular file\.$/);
  await expect(readKeys(await keysFile("empty", ""))).rejects.toThrow(/keys\/empty contains no key/);
  await expect(readKeys(await keysFile("binary", Buffer.from([0xff, 0xd8, 0xff])))).rejects.toThrow(
    /binary, line 1: expected NAME:sha256:HEX/,
  );
  await expect(readKeys(await keysFile("large", Buffer.alloc(2 ** 20 + 1, "#")))).rejects.toThrow(
    /large has 1048577 bytes; expected at most 1048576\.$/,
  );
});

posix("rejects a device without reading it", async () => {
  await expect(readKeys("/dev/zero")).rejects.toThrow("The keys file /dev/zero is not a regular file.");
});
