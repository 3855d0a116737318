import { execFileSync } from "node:child_process";
import { mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { resolveResource } from "../../../server/media/resource.js";
import { mediaPath } from "../../helpers/media.js";

let base: string;
let root: string;

beforeAll(() => {
  mkdirSync(mediaPath("resource/root/sub"), { recursive: true });
  base = realpathSync(mediaPath("resource"));
  root = join(base, "root");
  mkdirSync(join(base, "root-of-others"));
  for (const file of ["root/clip.mp4", "root/sub/clip.mp4", "root-of-others/clip.mp4", "secret.mp4"]) {
    writeFileSync(join(base, file), file);
  }
  symlinkSync(join(base, "secret.mp4"), join(root, "leak.mp4"));
  symlinkSync(base, join(root, "out"));
  symlinkSync(join(base, "not-there.mp4"), join(root, "dangling.mp4"));
  symlinkSync(join(root, "sub"), join(root, "inside"));
  symlinkSync(root, join(base, "alias"));
});

const resolveIn = (path: string, ...roots: string[]) => resolveResource(path, roots.length ? roots : [root]);

/** Code and words of a refusal; two refusals that must not be told apart have equal ones. */
async function refusal(path: string, ...roots: string[]) {
  try {
    return { resolved: await resolveIn(path, ...roots) };
  } catch (error) {
    const { code, field, message } = error as { code: string; field: string; message: string };
    return { code, field, message };
  }
}

describe("a resource path", () => {
  it("is found under a root, relative or absolute, through links that stay inside", async () => {
    expect(await resolveIn("clip.mp4")).toBe(join(root, "clip.mp4"));
    expect(await resolveIn("sub/../clip.mp4")).toBe(join(root, "clip.mp4"));
    expect(await resolveIn("inside/clip.mp4")).toBe(join(root, "sub/clip.mp4"));
    expect(await resolveIn(join(root, "sub"))).toBe(join(root, "sub"));
    expect(await resolveIn(".")).toBe(root);
  });

  it("is looked for in every root, the first that has it wins", async () => {
    const others = join(base, "root-of-others");
    expect(await resolveIn("clip.mp4", others, root)).toBe(join(others, "clip.mp4"));
    expect(await resolveIn("sub/clip.mp4", others, root)).toBe(join(root, "sub/clip.mp4"));
    expect(await resolveIn("clip.mp4", join(base, "no-such-root"), root)).toBe(join(root, "clip.mp4"));
  });

  it("may name a root by a link to it", async () => {
    const alias = join(base, "alias");
    expect(await resolveIn(join(alias, "clip.mp4"), alias)).toBe(join(root, "clip.mp4"));
    expect(await resolveIn(join(root, "clip.mp4"), alias)).toBe(join(root, "clip.mp4"));
  });

  it("that names nothing inside is not found", async () => {
    for (const path of [
      "missing.mp4",
      "sub/missing/deep.mp4",
      "clip.mp4/x",
      "%2e%2e/secret.mp4",
      join(root, "no"),
    ]) {
      expect(await refusal(path), path).toMatchObject({ code: "resource_not_found", field: "resource_path" });
    }
    expect(await refusal("")).toMatchObject({ code: "resource_not_found", field: "resource_path" });
  });

  it("that leads outside is forbidden, in the same words whether it exists or not", async () => {
    const [expected, ...rest] = await Promise.all(
      [
        ...["../secret.mp4", "../not-there.mp4", "sub/../../secret.mp4", "/etc/passwd", "/no/such/file"],
        ...[join(base, "root-of-others/clip.mp4"), "../root-of-others/clip.mp4", base],
        ...["leak.mp4", "dangling.mp4", "out/secret.mp4", "out/not-there.mp4", "out", "dangling.mp4/x"],
        ...["clip.mp4\0.jpg", "x".repeat(5000)],
      ].map((path) => refusal(path)),
    );
    expect(expected).toMatchObject({ code: "resource_forbidden", field: "resource_path" });
    expect(expected?.message).not.toContain(base);
    for (const other of rest) expect(other).toEqual(expected);
  });

  it("is no URL and no ffmpeg protocol", async () => {
    for (const path of [
      "http://127.0.0.1/x.mp4",
      "file:///etc/passwd",
      "concat:clip.mp4|clip.mp4",
      "data:text/plain,x",
    ]) {
      expect(await refusal(path), path).toMatchObject({ code: "resource_forbidden", field: "resource_path" });
    }
  });

  it("cannot be a pipe, which would be waited for for ever", async () => {
    const pipe = join(root, "pipe.mp4");
    execFileSync("mkfifo", [pipe]);
    expect(await refusal("pipe.mp4")).toMatchObject({ code: "resource_forbidden" });
    rmSync(pipe);
  });

  it("is forbidden altogether when there is no root", async () => {
    await expect(resolveResource("clip.mp4", [])).rejects.toMatchObject({ code: "resource_forbidden" });
  });
});
