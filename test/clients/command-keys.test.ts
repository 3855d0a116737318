/** `masklet keys`, and servers that use its files. */
import { chmod, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { connect } from "../../clients/typescript/index.js";
import { callCommand, startCommand } from "../helpers/command.js";
import { makeClip, mediaPath } from "../helpers/media.js";
import { until } from "../helpers/settle.js";

const KEY = /^masklet_[A-Za-z0-9_-]{43}\n$/;

async function newFile(name: string): Promise<string> {
  await mkdir(mediaPath("keys"), { recursive: true });
  return mediaPath(`keys/${name}`);
}

async function add(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await callCommand(["keys", "add", ...args]);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(stdout).toMatch(KEY);
  return stdout.trim();
}

describe("masklet keys", () => {
  it("adds keys to a file that only its owner can read, and prints each once", async () => {
    const file = await newFile("add");
    const first = await add("ann", "--file", file);
    const second = await add("bob", "--file", file, "--weight", "3");
    const text = await readFile(file, "utf8");
    expect(text).toMatch(/^ann:sha256:[0-9a-f]{64}\nbob:sha256:[0-9a-f]{64}:3\n$/);
    expect(text).not.toContain(first.slice(8));
    expect(text).not.toContain(second.slice(8));
    if (process.platform !== "win32") expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it("keeps comments, the mode and the link of a file that exists, and completes its last line", async () => {
    const file = await newFile("kept");
    await writeFile(file, `# our keys\nann:sha256:${"a".repeat(64)}  # of 2025`);
    await chmod(file, 0o640);
    const link = await newFile("kept-link");
    await symlink(file, link);
    await add("bob", "--file", link);
    expect(await readFile(file, "utf8")).toMatch(
      /^# our keys\nann:sha256:a{64} {2}# of 2025\nbob:sha256:[0-9a-f]{64}\n$/,
    );
    if (process.platform !== "win32") expect((await stat(file)).mode & 0o777).toBe(0o640);
  });

  it("prints the line without a file, for pipes", async () => {
    const { status, stdout, stderr } = await callCommand(["keys", "add", "ann"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ann:sha256:[0-9a-f]{64}\n$/);
    expect(stderr).toMatch(/^The key of ann, which is shown only now:\nmasklet_\S{43}\n$/);
  });

  it("lists and removes keys, all of a name or one by its hash", async () => {
    const file = await newFile("list");
    await add("ann", "--file", file);
    await add("ann", "--file", file);
    await add("bob", "--file", file, "--weight", "2");
    const { stdout } = await callCommand(["keys", "list", "--file", file]);
    const rows = stdout.trim().split("\n");
    expect(rows).toEqual([
      expect.stringMatching(/^ann\tweight 1\t[0-9a-f]{12}$/),
      expect.stringMatching(/^ann\tweight 1\t[0-9a-f]{12}$/),
      expect.stringMatching(/^bob\tweight 2\t[0-9a-f]{12}$/),
    ]);
    const hash = rows[0]?.split("\t")[2] ?? "";
    expect((await callCommand(["keys", "remove", "bob", hash, "--file", file])).stderr).toBe(
      `${file} contains no key of bob with a hash of ${hash}….\n`,
    );
    const removed = await callCommand(["keys", "remove", "ann", hash, "--file", file]);
    expect(removed).toMatchObject({ status: 0, stderr: expect.stringContaining("Removed 1 key of ann") });
    await callCommand(["keys", "remove", "ann", "--file", file]);
    const last = await callCommand(["keys", "remove", "bob", "--file", file]);
    expect(last.stderr).toContain("No key is left. Stop the server");
    expect(await readFile(file, "utf8")).toBe("");
    expect((await callCommand(["keys", "list", "--file", file])).stderr).toMatch(/contains no key/);
  });

  it.each([
    [["add", "a b"], /^NAME: expected 1 to 64 characters.*got "a b"/, 2],
    [["add", "ann", "--weight", "0"], /^--weight: expected a whole number from 1 to 100, got "0"/, 2],
    [["remove", "ann", "xyz", "--file", "x"], /^HASH: expected at least 8 hex digits .*got "xyz"/, 2],
    [["list"], /^--file: expected the file of keys/, 2],
    [["list", "--file", "no/such"], /^The keys file no\/such does not exist\.$/m, 1],
    [["add", "ann", "--file", "no/such"], /^no\/such cannot be changed \(ENOENT\)\.$/m, 1],
    [["add"], /^Missing required argument 'name'/, 2],
  ])("answers %j with one sentence", async (args, sentence, expected) => {
    const { status, stdout, stderr } = await callCommand(["keys", ...args]);
    expect({ status, stdout }).toEqual({ status: expected, stdout: "" });
    expect(stderr).toMatch(sentence);
  });

  it("changes no file that is invalid, or that another command changes", async () => {
    const file = await newFile("invalid");
    await writeFile(file, "nonsense\n", { mode: 0o600 });
    const invalid = await callCommand(["keys", "add", "ann", "--file", file]);
    expect(invalid).toMatchObject({ status: 1, stderr: expect.stringContaining("line 1: expected NAME") });
    expect(await readFile(file, "utf8")).toBe("nonsense\n");
    await writeFile(`${file}.new`, "");
    const locked = await callCommand(["keys", "add", "ann", "--file", file]);
    expect(locked).toMatchObject({ status: 1, stderr: expect.stringContaining(`${file}.new exists`) });
  });
});

describe("masklet serve --keys", { timeout: 180_000 }, () => {
  it("serves owners of keys, and reads the file again on SIGHUP", async () => {
    const file = await newFile("serve");
    const ann = await add("ann", "--file", file);
    const root = mediaPath("serve-keys");
    await makeClip({ name: "serve-keys/clip.mp4", frames: 2 });
    const command = startCommand([
      "serve",
      "--port",
      "0",
      "--host",
      "0.0.0.0",
      "--keys",
      file,
      "--media-root",
      root,
    ]);
    const [, port = ""] = await command.printed(/^masklet serves ws:\/\/0\.0\.0\.0:(\d+)/);
    const url = `ws://127.0.0.1:${port}`;

    const unknown = await connect(url, { reconnect: false });
    await expect(unknown.startSession({ resource_path: "clip.mp4" })).rejects.toMatchObject({
      code: "unauthenticated",
    });
    const client = await connect(url, { key: ann });
    expect((await client.startSession({ resource_path: "clip.mp4" })).facts.num_frames).toBe(2);

    const bob = await add("bob", "--file", file);
    if (process.platform === "win32") return;
    await expect(connect(url, { key: bob })).rejects.toMatchObject({ code: "unauthenticated" });
    command.process.kill("SIGHUP");
    await command.printed(/^the server has 2 keys of 2 owners\n/m);
    const other = await connect(url, { key: bob });
    await callCommand(["keys", "remove", "ann", "--file", file]);
    command.process.kill("SIGHUP");
    expect(await client.closed).toMatchObject({ code: 4401 });
    await expect(client.request({ type: "get_server" })).rejects.toMatchObject({
      code: "unauthenticated",
      retryable: false,
    });

    // A file that cannot be used changes nothing.
    let logged = "";
    command.process.stderr?.on("data", (data) => {
      logged += data;
    });
    await callCommand(["keys", "remove", "bob", "--file", file]);
    command.process.kill("SIGHUP");
    await until(() => logged.includes("the keys stay as they were"));
    expect((await other.request({ type: "get_server" })).sessions).toBe(0);
    await other.detach();
    command.process.kill("SIGTERM");
    expect((await command.ended).status).toBe(0);
  });

  it.each([
    [["--host", "0.0.0.0"], /^host is "0\.0\.0\.0"; without keys it must be a loopback address/],
    [["--keys", "no/such.keys"], /^The keys file no\/such\.keys does not exist\.\n$/],
  ])("does not start with %j", async (args, sentence) => {
    const { status, stdout, stderr } = await callCommand(["serve", "--port", "0", ...args]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(sentence);
  });
});
