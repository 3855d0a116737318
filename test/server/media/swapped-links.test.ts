/** Paths that name another file when they are opened, or later, than when they were checked. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "../../../server/config.js";
import { lendAnew } from "../../../server/media/media-file.js";
import { openMedia } from "../../../server/media/open.js";
import {
  openInRoots,
  type UsePlace,
  usePlaceByDescriptor,
  usePlaceByIdentity,
} from "../../../server/media/open-place.js";
import { resolveResource } from "../../../server/media/resource.js";
import { createMediaOpener } from "../../../server/open-media.js";
import { createShares } from "../../../server/shares/shares.js";
import { createUploadStore } from "../../../server/uploads/store.js";
import { makeClip, makeStill, mediaPath, readFrameNumber } from "../../helpers/media.js";

const size = { width: 96, height: 64 };
const isLinux = process.platform === "linux";
/** The numbers in the pictures inside the root are below this, those in the pictures outside are not. */
const OUTSIDE = 100;

let root: string;
let outside: string;
const inRoot = (name: string) => join(root, name);
const roots = () => ({ mediaRoots: [root] });

beforeAll(async () => {
  mkdirSync(mediaPath("swapped/kept/frames"), { recursive: true });
  mkdirSync(mediaPath("swapped/outside/frames"), { recursive: true });
  const kept = realpathSync(mediaPath("swapped/kept"));
  outside = realpathSync(mediaPath("swapped/outside"));
  copyFileSync(await makeClip({ name: "swapped-clip.mp4", frames: 30 }), join(kept, "clip.mp4"));
  for (let i = 0; i < 4; i++) {
    await makeStill(`swapped/kept/frames/${i}.png`, i);
    await makeStill(`swapped/outside/frames/${i}.png`, OUTSIDE + i);
  }
  await makeStill("swapped/outside/secret.png", OUTSIDE);
  await makeStill("swapped/kept/still.png", 1);
  // The outer video is longer, so that its facts differ as well.
  copyFileSync(await makeClip({ name: "swapped-other.mp4", frames: 40, fps: 50 }), join(outside, "clip.mp4"));
});

beforeEach(() => {
  rmSync(mediaPath("swapped/root"), { recursive: true, force: true });
  mkdirSync(mediaPath("swapped/root"));
  root = realpathSync(mediaPath("swapped/root"));
  execFileSync("cp", ["-R", `${mediaPath("swapped/kept")}/.`, root]);
});

afterAll(() => rmSync(mediaPath("swapped"), { recursive: true, force: true }));

/** Replaces what a path names by a link, in one step. */
function swap(path: string, target: string): void {
  symlinkSync(target, `${path}.new`);
  if (readdirSync(root).includes(path) || path.endsWith("frames")) rmSync(path, { recursive: true });
  renameSync(`${path}.new`, path);
}

async function numberOf(path: string): Promise<number> {
  const media = await openMedia(path, roots());
  try {
    return readFrameNumber((await media.frame(0, size)).rgb, size.width, size.height);
  } finally {
    await media.close();
  }
}

const forbidden = (name: string) => ({
  code: "resource_forbidden",
  message: `${name} is not a file or folder under a media root once links are resolved.`,
});

describe("a path that was checked and then replaced", () => {
  it("by a link out of the roots is not opened", async () => {
    for (const name of ["clip.mp4", "still.png"]) {
      const checked = await resolveResource(name, [root]);
      swap(inRoot(name), join(outside, name === "still.png" ? "secret.png" : name));
      await expect(openMedia(checked, roots()), name).rejects.toMatchObject(forbidden("The file"));
    }
  });

  it("by a link to nothing outside the roots gets the same answer", async () => {
    swap(inRoot("clip.mp4"), join(outside, "missing.mp4"));
    await expect(openMedia(inRoot("clip.mp4"), roots())).rejects.toMatchObject(forbidden("The file"));
    swap(inRoot("still.png"), join(outside, "missing/deep.mp4"));
    await expect(openMedia(inRoot("still.png"), roots())).rejects.toMatchObject(forbidden("The file"));
  });

  it("in a folder above it is not opened", async () => {
    mkdirSync(inRoot("sub"));
    copyFileSync(inRoot("clip.mp4"), inRoot("sub/clip.mp4"));
    const checked = await resolveResource("sub/clip.mp4", [root]);
    rmSync(inRoot("sub"), { recursive: true });
    symlinkSync(outside, inRoot("sub"));
    await expect(openMedia(checked, roots())).rejects.toMatchObject(forbidden("The file"));
  });

  it("and is a folder is not listed", async () => {
    const checked = await resolveResource("frames", [root]);
    swap(inRoot("frames"), join(outside, "frames"));
    await expect(openMedia(checked, roots())).rejects.toMatchObject(forbidden("The file"));
  });

  it("by a link to another place under the roots is opened there", async () => {
    mkdirSync(inRoot("more"));
    await makeStill("swapped/root/more/other.png", 7);
    swap(inRoot("still.png"), inRoot("more/other.png"));
    expect(await numberOf(inRoot("still.png"))).toBe(7);
  });

  it("by a hard link is opened", async () => {
    linkSync(inRoot("still.png"), inRoot("hard.png"));
    expect(await numberOf(inRoot("hard.png"))).toBe(1);
  });

  it("by a pipe or a device is refused at once", async () => {
    execFileSync("mkfifo", [inRoot("pipe.mp4")]);
    await expect(openMedia(inRoot("pipe.mp4"), roots())).rejects.toMatchObject({
      code: "media_unsupported",
      message: "The file is a pipe, a socket or a device; expected a file.",
    });
    await expect(openMedia("/dev/zero")).rejects.toMatchObject({ code: "media_unsupported" });
  });
});

describe("an open session", () => {
  it("reads the video that was opened, whatever its path names later", async () => {
    const media = await openMedia(inRoot("clip.mp4"), roots());
    swap(inRoot("clip.mp4"), join(outside, "clip.mp4"));
    expect(readFrameNumber((await media.frame(9, size)).rgb, 96, 64)).toBe(9);
    unlinkSync(inRoot("clip.mp4"));
    const numbers: number[] = [];
    const range = { startFrame: 0, count: 30, direction: "forward", ...size } as const;
    for await (const { rgb } of media.frames(range)) numbers.push(readFrameNumber(rgb, 96, 64));
    expect(numbers).toEqual(Array.from({ length: 30 }, (_, i) => i));
    await media.close();
  });

  it("reads the picture that was opened", async () => {
    const media = await openMedia(inRoot("still.png"), roots());
    swap(inRoot("still.png"), join(outside, "secret.png"));
    expect(readFrameNumber((await media.frame(0, size)).rgb, 96, 64)).toBe(1);
    await media.close();
  });

  it("reports a video that is cut short meanwhile, by the number of its frame", async () => {
    const media = await openMedia(inRoot("clip.mp4"), roots());
    truncateSync(inRoot("clip.mp4"), 64);
    await expect(media.frame(20, size)).rejects.toMatchObject({ code: "media_unreadable" });
    await media.close();
  });

  it("does not follow the links that replace pictures of its folder", async () => {
    const media = await openMedia(inRoot("frames"), roots());
    swap(inRoot("frames/2.png"), join(outside, "secret.png"));
    await expect(media.frame(2, size)).rejects.toMatchObject(forbidden("2.png"));
    swap(inRoot("frames/3.png"), join(outside, "missing.png"));
    await expect(media.frame(3, size)).rejects.toMatchObject(forbidden("3.png"));
    execFileSync("mkfifo", [inRoot("pipe")]);
    renameSync(inRoot("pipe"), inRoot("frames/1.png"));
    await expect(media.frame(1, size)).rejects.toMatchObject({
      code: "media_unsupported",
      message: "1.png is a pipe, a socket or a device; expected a file.",
    });
    expect(readFrameNumber((await media.frame(0, size)).rgb, 96, 64)).toBe(0);
    swap(inRoot("frames"), join(outside, "frames"));
    await expect(media.frame(3, size)).rejects.toMatchObject(forbidden("3.png"));
    await media.close();
  });

  it("does not follow the links that replace files of an upload", async () => {
    const parent = mediaPath("swapped/uploads");
    mkdirSync(parent, { recursive: true });
    const limits = readConfig({}, {});
    const store = createUploadStore({ limits, shares: createShares({ limits }), parent });
    async function* body() {
      yield Buffer.from(await import("node:fs/promises").then((fs) => fs.readFile(inRoot("still.png"))));
    }
    const { uploadId } = await store.receive(body());
    const stored = execFileSync("find", [parent, "-name", "body"], { encoding: "utf8" }).trim();
    swap(stored, join(outside, "secret.png"));
    await expect(store.openMedia(uploadId)).rejects.toMatchObject({ code: "resource_forbidden" });
    await store.close();
  });

  it.runIf(isLinux)("holds one file open for a video, and none for a folder", async () => {
    const video = await openMedia(inRoot("clip.mp4"), roots());
    await video.frame(3, size);
    const folder = await openMedia(inRoot("frames"), roots());
    await folder.frame(1, size);
    expect(openFilesUnder(root)).toEqual([inRoot("clip.mp4")]);
    await video.close();
    await folder.close();
    expect(openFilesUnder(root)).toEqual([]);
    writeFileSync(inRoot("clip.mp4"), "\0\0\0\x08free and no more");
    await expect(openMedia(inRoot("clip.mp4"), roots())).rejects.toMatchObject({ code: "media_unreadable" });
    expect(openFilesUnder(root)).toEqual([]);
  });
});

/** The files below a folder that this process has open. */
function openFilesUnder(folder: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`);
      return path.startsWith(folder) ? [path] : [];
    } catch {
      return [];
    }
  });
}

/** Both ways to check a place; Linux has a way of its own. */
const ways: [string, UsePlace][] = [
  ["by identity", usePlaceByIdentity],
  ...(isLinux ? [["by descriptor", usePlaceByDescriptor] satisfies [string, UsePlace]] : []),
];

describe.each(ways)("a place that is checked %s", (_, use) => {
  const openAt = async (name: string) => {
    const { handle } = await openInRoots({ path: inRoot(name), name, roots: [root] }, use);
    const content = await handle.readFile();
    await handle.close();
    return content.length;
  };

  it("is opened under the roots only", async () => {
    symlinkSync(inRoot("still.png"), inRoot("inner.png"));
    symlinkSync(join(outside, "secret.png"), inRoot("leak.png"));
    symlinkSync(join(outside, "missing.png"), inRoot("dangling.png"));
    symlinkSync(outside, inRoot("out"));
    expect(await openAt("inner.png")).toBe(await openAt("still.png"));
    for (const name of ["leak.png", "dangling.png", "out/secret.png", "out/missing.png"])
      await expect(openAt(name), name).rejects.toMatchObject(forbidden(name));
    await expect(openAt("none.png")).rejects.toMatchObject({ code: "ENOENT" });
    await expect(openAt("frames")).rejects.toMatchObject({ message: "frames is a folder." });
  });

  it("is not the place that a link names after the check", async () => {
    const location = { path: inRoot("still.png"), name: "The file", roots: [root] };
    const opened = use(location, async (place) => {
      swap(inRoot("still.png"), join(outside, "secret.png"));
      const handle = await place.openFile();
      const { ino } = await handle.stat({ bigint: true });
      await handle.close();
      return ino === place.identity.ino;
    });
    // The descriptor still reaches the first file. Without it, the other file is noticed.
    if (use === usePlaceByDescriptor) expect(await opened).toBe(true);
    else
      await expect(opened).rejects.toMatchObject({
        code: "media_unreadable",
        message: "The file was replaced after it was opened.",
      });
  });
});

it("a file that is lent to a process by opening it again is the same file, or is refused", async () => {
  const location = { path: inRoot("still.png"), name: "The file", roots: [root] };
  const { handle, identity } = await openInRoots(location);
  await handle.close();
  const copy = () =>
    lendAnew(location, identity, async ({ files, path }) => {
      const child = spawn("cat", [path], { stdio: ["ignore", "pipe", "inherit", ...files] });
      const parts: Buffer[] = [];
      for await (const part of child.stdout as AsyncIterable<Buffer>) parts.push(part);
      return Buffer.concat(parts);
    });
  expect(await copy()).toEqual(readFileSync(inRoot("still.png")));
  swap(inRoot("still.png"), inRoot("frames/2.png"));
  await expect(copy()).rejects.toMatchObject({ message: "The file was replaced after it was opened." });
  swap(inRoot("still.png"), join(outside, "secret.png"));
  await expect(copy()).rejects.toMatchObject(forbidden("The file"));
});

it("a link that another process swaps all the time never leads out of the roots", async () => {
  const swapper = mediaPath("swapped/swapper.mjs");
  writeFileSync(
    swapper,
    `import { linkSync, renameSync, rmSync, symlinkSync } from "node:fs";
    const [path, inside, outside] = process.argv.slice(2);
    const next = outside + ".new";
    for (let i = 0; ; i++) {
      rmSync(next, { force: true });
      if (i % 2) linkSync(inside, next);
      else symlinkSync(outside, next);
      renameSync(next, path);
      if (i === 1) console.log("swapping");
    }`,
  );
  const child = spawn(process.execPath, [
    swapper,
    ...[inRoot("frames/1.png"), inRoot("still.png"), join(outside, "secret.png")],
  ]);
  await once(child.stdout, "data");
  const limits = readConfig({}, {});
  const uploads = createUploadStore({ limits, shares: createShares({ limits }) });
  const open = createMediaOpener([root], uploads, createShares({ limits }));
  const seen = new Map<string, number>();
  const count = (outcome: string) => seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
  try {
    for (let attempt = 0; attempt < 40; attempt++) {
      for (const [resource_path, frame] of [
        ["frames/1.png", 0],
        ["frames", 1],
      ] as const) {
        try {
          const media = await open({ resource_path }, { owner: "test" });
          const { rgb } = await media.frame(frame, size).finally(() => media.close());
          count(readFrameNumber(rgb, 96, 64) < OUTSIDE ? "inside" : "LEAK");
        } catch (error) {
          count((error as { code: string }).code);
        }
      }
    }
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  expect([...seen.keys()].filter((outcome) => !["inside", "resource_forbidden"].includes(outcome))).toEqual(
    [],
  );
  expect(seen.get("inside")).toBeGreaterThan(0);
});
