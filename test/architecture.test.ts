/** Who may know whom. A wrong arrow shows on the day it appears. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What the files of a folder may import, besides that folder. The longest folder that fits a file counts. */
const ARROWS: Record<string, readonly string[]> = {
  protocol: [],
  detector: [],
  memory: [],
  tracker: ["detector", "memory", "protocol/rle.ts"],
  server: ["protocol"],
  "server/engine": ["detector", "memory", "tracker", "protocol", "server/packs", "server/serial.ts"],
  "clients/typescript": ["protocol"],
  "clients/drawing": ["protocol", "clients/typescript"],
  // ffmpeg is started in one place.
  "clients/drawing/encode.ts": ["clients/drawing", "server/media/tool-process.ts"],
  // The command may start a server of its own; media.ts reads pictures as the server does, to number them alike.
  "clients/command": ["clients/typescript", "clients/drawing", "server/main.ts", "server/config.ts"],
  "clients/command/media.ts": ["clients/command", "server/media"],
  // Written as users write: by the package's name.
  "clients/examples": [],
  // Measures the whole server from outside, and so has to start one.
  "clients/bench": ["clients/typescript", "server/main.ts"],
  "clients/demo": ["clients/typescript", "clients/drawing", "clients/command"],
};

/** Packages that are at home in one place only. */
const HOMES: Record<string, readonly string[]> = {
  masklet: ["clients/examples"],
  "masklet/client": ["clients/examples"],
  "onnxruntime-node": ["server/engine/onnx.ts"],
  "@huggingface/tokenizers": ["server/packs"],
  hono: ["server/http"],
  "hono/cors": ["server/http"],
  "hono/utils/http-status": ["server/http"],
  "@hono/node-server": ["server/http"],
  ws: ["server", "clients/typescript/wire.ts"],
  pino: ["server/log.ts"],
  "fluent-ffmpeg": ["server/media", "clients/drawing"],
  sharp: ["server/media", "clients/drawing", "clients/demo", "clients/command"],
  commander: ["clients/command"],
  "cli-progress": ["clients/command"],
  uuid: ["server"],
  zod: ["protocol", "server"],
};

interface Import {
  from: string;
  to: string;
  kind: "value" | "type" | "dynamic";
}

const imports = Object.keys(ARROWS)
  .map((folder) => folder.split("/")[0] ?? folder)
  .filter((room, index, rooms) => rooms.indexOf(room) === index)
  .flatMap((room) => sourceFiles(join(root, room)))
  .flatMap(importsOf);

function sourceFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => join(directory, path));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
  const statements = [...text.matchAll(/^(?:(?:import|export)\b[^;]*?\bfrom |import )"([^"]+)"/gm)];
  const calls = [...text.matchAll(/(?<!typeof )\bimport\("([^"]+)"\)/g)];
  const toImport = ([statement = "", specifier = ""]: RegExpMatchArray): Import => ({
    from: relative(root, file),
    to: resolve(file, specifier),
    kind: statement.startsWith("import(") ? "dynamic" : /^\w+ type /.test(statement) ? "type" : "value",
  });
  return [...statements, ...calls].map(toImport);
}

/** Files of ours by their path from the root, anything else by its name. */
function resolve(file: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return relative(root, join(dirname(file), specifier)).replace(/\.js$/, ".ts");
}

const lies = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);

function homeOf(path: string): string {
  const fitting = Object.keys(ARROWS).filter((folder) => lies(path, folder));
  const [longest] = fitting.sort((a, b) => b.length - a.length);
  if (longest === undefined) throw new Error(`${path} lies in no folder that the test knows`);
  return longest;
}

const isOurs = (path: string) => Object.keys(ARROWS).some((folder) => lies(path, folder.split("/")[0] ?? ""));
const show = ({ from, to }: Import) => `${from} imports ${to}`;

/** Import circles, each as the path from a file back to itself. Returns at least one of them if there are any. */
function circles(all: Import[]): string[] {
  const targets = new Map<string, string[]>();
  for (const { from, to } of all) targets.set(from, [...(targets.get(from) ?? []), to]);
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) {
      found.push([...path.slice(path.indexOf(file)), file].join(" > "));
      return;
    }
    if (done.has(file)) return;
    for (const to of targets.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return found;
}

describe("the source", () => {
  it("is found and understood", () => {
    expect(imports.map(show)).toEqual(
      expect.arrayContaining([
        "protocol/requests.ts imports zod",
        "protocol/requests.ts imports protocol/fields.ts",
        "protocol/index.ts imports protocol/rle.ts",
        "clients/typescript/wire.ts imports ws",
      ]),
    );
  });

  it("follows the arrows between its rooms", () => {
    const wrong = imports.filter(({ from, to }) => {
      const home = homeOf(from);
      return isOurs(to) && ![home, ...(ARROWS[home] ?? [])].some((folder) => lies(to, folder));
    });
    expect(wrong.map(show)).toEqual([]);
  });

  it("has no import circles, type imports included", () => {
    const checked = imports.filter(({ to }) => isOurs(to));
    expect(circles(checked)).toEqual([]);
  });

  it("keeps the tracker's two rule sets apart, and rules out of its mask arithmetic", () => {
    const forbidden: Record<string, readonly string[]> = {
      "tracker/sam3": ["tracker/motion"],
      "tracker/motion": ["tracker/sam3"],
      "tracker/masks": ["tracker/sam3", "tracker/motion", "tracker/rule-sets.ts", "tracker/step.ts"],
    };
    const wrong = imports.filter(({ from, to }) =>
      Object.entries(forbidden).some(
        ([room, others]) => lies(from, room) && others.some((other) => lies(to, other)),
      ),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it("enters the engine through its front door", () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        lies(to, "server/engine") && !lies(from, "server/engine") && to !== "server/engine/index.ts",
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it("uses each package where it is at home", () => {
    const packages = imports.filter(({ to }) => !isOurs(to) && !to.startsWith("node:"));
    const wrong = packages.filter(({ from, to }) => !(HOMES[to] ?? []).some((home) => lies(from, home)));
    expect(wrong.map(show)).toEqual([]);
  });

  it("keeps Node out of what runs in a browser, and out of the model's arithmetic", () => {
    const rooms = ["protocol", "clients/typescript", "detector", "memory", "tracker"];
    const wrong = imports.filter(
      ({ from, to }) =>
        rooms.some((room) => lies(from, room)) && !lies(from, "protocol/docs") && to.startsWith("node:"),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it("keeps the schemas out of the client, which would be fifty times as large with them", () => {
    const light = ["clients/typescript", "protocol/rle.ts", "protocol/logits.ts", "protocol/version.ts"];
    const wrong = imports.filter(
      ({ from, to, kind }) =>
        kind === "value" &&
        isOurs(to) &&
        lies(from, "clients/typescript") &&
        !light.some((one) => lies(to, one)),
    );
    expect(wrong.map(show)).toEqual([]);
  });
});
