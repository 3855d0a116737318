import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeExecutable } from "../../../server/media/binaries.js";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "masklet-binaries-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("an installed binary", () => {
  it.skipIf(process.platform === "win32")(
    "becomes executable, as after npm install --ignore-scripts",
    async () => {
      const path = join(folder, "tool");
      await writeFile(path, "#!/bin/sh\necho runs\n");
      await chmod(path, 0o644);
      expect(() => execFileSync(path)).toThrow("EACCES");
      makeExecutable(path, "TOOL_PATH");
      expect(String(execFileSync(path))).toBe("runs\n");
    },
  );

  it("is reported by its path when it does not exist", () => {
    const path = join(folder, "absent");
    expect(() => makeExecutable(path, "TOOL_PATH")).toThrow(
      `${path} does not exist: install the packages again, or set TOOL_PATH to another binary`,
    );
  });
});
