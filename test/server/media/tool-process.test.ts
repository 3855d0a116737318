/** What a tool receives from the server: descriptors and nothing else. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, openSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { startTool, type ToolOptions } from "../../../server/media/tool-process.js";
import { mediaPath } from "../../helpers/media.js";

function script(name: string, body: string): string {
  const path = mediaPath(`tools/${name}`);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Runs a script as the tool and returns its standard output. */
async function outputOf(body: string, options: Partial<ToolOptions> = {}): Promise<string> {
  const tool = await startTool({ name: "ffmpeg", binary: script("tool", body), args: [], ...options });
  const chunks: Buffer[] = [];
  for await (const chunk of tool.stdout as AsyncIterable<Buffer>) chunks.push(chunk);
  const { code, logTail } = await tool.exited;
  expect({ code, logTail }).toEqual({ code: 0, logTail: "" });
  return Buffer.concat(chunks).toString();
}

describe.skipIf(process.platform === "win32")("the process group of a tool", () => {
  it("is its own, so that Ctrl-C in a terminal does not end it", async () => {
    const binary = script("waiting", "echo; sleep 60");
    const tool = await startTool({ name: "ffmpeg", binary, args: [] });
    await once(tool.stdout, "data");
    const processes = execFileSync("ps", ["-A", "-o", "pid=,pgid=,args="], { encoding: "utf8" })
      .split("\n")
      .map((line) => line.trim().split(/\s+/));
    const ownGroup = processes.find(([pid]) => pid === String(process.pid))?.[1];
    const groups = processes.filter((fields) => fields.includes(binary)).map(([, group]) => group);
    await tool.kill();
    expect(groups).not.toEqual([]);
    expect(groups).not.toContain(ownGroup);
  });
});

describe.skipIf(process.platform === "win32")("descriptors of a tool", () => {
  it("are its standard streams and the files that it is given, as 3 and 4", async () => {
    const [one, two] = ["one", "two"].map((name) => {
      writeFileSync(mediaPath(`tools/${name}`), name);
      return openSync(mediaPath(`tools/${name}`), "r");
    }) as [number, number];
    const reads = outputOf("cat <&4; echo; cat <&3", { files: [one, two] });
    expect(await reads).toBe("two\none");
    for (const file of [one, two]) closeSync(file);
  });

  it("do not include other open files of the server", async () => {
    const other = openSync("/dev/null", "r");
    const file = openSync("/dev/null", "r");
    // Descriptors up to 9 are the ones that a POSIX shell can name.
    const body = 'for n in 3 4 5 6 7 8 9; do if (eval "exec <&$n") 2>/dev/null; then echo "$n"; fi; done';
    expect(await outputOf(body, { files: [file] })).toBe("3\n");
    expect(await outputOf(body)).toBe("");
    for (const descriptor of [other, file]) closeSync(descriptor);
  });

  it("may be closed once the tool has started", async () => {
    writeFileSync(mediaPath("tools/three"), "three");
    const file = openSync(mediaPath("tools/three"), "r");
    const tool = await startTool({
      name: "ffmpeg",
      binary: script("waits", "sleep 0.2; cat <&3"),
      args: [],
      files: [file],
    });
    closeSync(file);
    const chunks: Buffer[] = [];
    for await (const chunk of tool.stdout as AsyncIterable<Buffer>) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe("three");
  });

  it.skipIf(process.platform !== "linux")("can be opened by path, with a position of their own", async () => {
    writeFileSync(mediaPath("tools/four"), "four");
    const file = openSync(mediaPath("tools/four"), "r");
    expect(await outputOf("cat /proc/self/fd/3 /dev/fd/3", { files: [file] })).toBe("fourfour");
    closeSync(file);
  });
});
