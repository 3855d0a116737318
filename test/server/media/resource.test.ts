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

/** Code, field and message of a rejection, or the resolved path. */
async function refusal(path: string, ...roots: string[]) {
  try {
    return { resolved: await resolveIn(path, ...roots) };
  } catch (error) {
    const { code, field, message } = error as { code: string; field: string; message: string };
    return { code, field, message };
  }
}

/** A rejection without the path as given, so that rejections of different paths can be compared. */
async function refusalOfAny(path: string) {
  const { message, ...rest } = await refusal(path);
  const start = JSON.stringify(path.slice(0, 300)).slice(0, -1);
  const end = message?.indexOf('" is not', start.length - 1) ?? -1;
  return { ...rest, path: message?.slice(0, start.length) === start, message: message?.slice(end + 1) };
}

describe("a resource path", () => {
  it("resolves under a root, relative or absolute, through links that stay inside", async () => {
    expect(await resolveIn("clip.mp4")).toBe(join(root, "clip.mp4"));
    expect(await resolveIn("sub/../clip.mp4")).toBe(join(root, "clip.mp4"));
    expect(await resolveIn("inside/clip.mp4")).toBe(join(root, "sub/clip.mp4"));
    expect(await resolveIn(join(root, "sub"))).toBe(join(root, "sub"));
    expect(await resolveIn(".")).toBe(root);
  });

  it("is searched in every root, and the first that contains it is used", async () => {
    const others = join(base, "root-of-others");
    expect(await resolveIn("clip.mp4", others, root)).toBe(join(others, "clip.mp4"));
    expect(await resolveIn("sub/clip.mp4", others, root)).toBe(join(root, "sub/clip.mp4"));
    expect(await resolveIn("clip.mp4", join(base, "no-such-root"), root)).toBe(join(root, "clip.mp4"));
  });

  it("may lie under a root that is a link", async () => {
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

  it("that is not found appears in the error as given, with the roots as configured", async () => {
    expect(await refusal("sub/no.mp4")).toMatchObject({
      message: `There is no file or folder "sub/no.mp4" under the media root "${root}".`,
    });
    const [alias, absent] = [join(base, "alias"), join(base, "absent")];
    expect(await refusal("no.mp4", alias, absent)).toMatchObject({
      message: `There is no file or folder "no.mp4" under any of the 2 media roots "${alias}", "${absent}".`,
    });
    expect(await refusal("line\nbreak")).toMatchObject({
      message: expect.stringContaining('"line\\nbreak"'),
    });
  });

  it("may be anywhere when there are no roots", async () => {
    expect(await resolveResource(join(root, "clip.mp4"), undefined)).toBe(join(root, "clip.mp4"));
    expect(await resolveResource("package.json", undefined)).toBe(join(process.cwd(), "package.json"));
    await expect(resolveResource("no-such-file.mp4", undefined)).rejects.toMatchObject({
      code: "resource_not_found",
      message: `There is no file or folder "no-such-file.mp4" relative to the working directory "${process.cwd()}".`,
    });
    await expect(resolveResource("/no/such-file.mp4", undefined)).rejects.toMatchObject({
      code: "resource_not_found",
      message: 'There is no file or folder "/no/such-file.mp4" on the server.',
    });
  });

  it("that leads outside is forbidden, with the same message whether it exists or not", async () => {
    const [expected, ...rest] = await Promise.all(
      [
        ...["../secret.mp4", "../not-there.mp4", "sub/../../secret.mp4", "/etc/passwd", "/no/such/file"],
        ...[join(base, "root-of-others/clip.mp4"), "../root-of-others/clip.mp4", base],
        ...["leak.mp4", "dangling.mp4", "out/secret.mp4", "out/not-there.mp4", "out", "dangling.mp4/x"],
        ...["clip.mp4\0.jpg", "x".repeat(5000)],
      ].map(refusalOfAny),
    );
    expect(expected).toEqual({
      ...{ code: "resource_forbidden", field: "resource_path", path: true },
      message: ` is not a file or folder under the media root "${root}" once links are resolved.`,
    });
    for (const other of rest) expect(other).toEqual(expected);
  });

  it("must not be a URL or an ffmpeg protocol", async () => {
    for (const path of [
      "http://127.0.0.1/x.mp4",
      "file:///etc/passwd",
      "concat:clip.mp4|clip.mp4",
      "data:text/plain,x",
    ]) {
      expect(await refusal(path), path).toMatchObject({ code: "resource_forbidden", field: "resource_path" });
    }
  });

  it("must not be a pipe, which could block for ever", async () => {
    const pipe = join(root, "pipe.mp4");
    execFileSync("mkfifo", [pipe]);
    expect(await refusal("pipe.mp4")).toMatchObject({ code: "resource_forbidden" });
    rmSync(pipe);
  });

  it("is forbidden when the list of roots is empty", async () => {
    await expect(resolveResource("clip.mp4", [])).rejects.toMatchObject({ code: "resource_forbidden" });
  });
});
