/** Which folders may import which folders and packages. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Folders and files that the files of a folder may import besides their own. The longest key that contains a file applies. */
const ALLOWED_IMPORTS: Record<string, readonly string[]> = {
  protocol: [],
  detector: [],
  memory: [],
  tracker: ["detector", "memory", "protocol/rle.ts"],
  server: ["protocol"],
  "server/engine": [
    ...["detector", "memory", "tracker", "protocol", "server/packs"],
    ...["server/serial.ts", "server/child-programs.ts", "server/programs.ts"],
  ],
  // An adapter is an ordinary client: it reaches sessions and uploads through the predictor, and converts masks with exports.
  "server/adapters": [
    ...["protocol", "server/predictor.ts", "server/propagations.ts", "server/hosted-session.ts"],
    ...["server/config.ts", "server/failure.ts", "server/log.ts", "server/serial.ts"],
    "server/session-owner.ts",
    ...["server/listed-hosts.ts", "server/child-programs.ts", "server/exports/iterator-port.ts"],
    ...["server/http/context.ts", "server/http/errors.ts", "server/http/reader.ts"],
    ...["server/http/file-answer.ts", "server/view-media.ts"],
    ...["server/exports/brush.ts", "server/exports/mask-sets.ts", "server/exports/outlines.ts"],
    "server/exports/row-runs.ts",
    // Messages about files that are no pictures.
    ...["server/media/sniff.ts", "server/media/unsupported-kind.ts", "server/uploads/upload.ts"],
  ],
  "clients/typescript": ["protocol"],
  "clients/drawing": ["protocol", "clients/typescript", "server/drawing"],
  // The page runs in a browser.
  "clients/web": ["protocol", "clients/typescript"],
  // ffmpeg is started in one place.
  "clients/drawing/encode.ts": [
    "clients/drawing",
    "server/media/tool-process.ts",
    "server/media/timed-pictures.ts",
  ],
  // The command may start a server. Its media.ts reads media with the code of the server, so that frame numbers agree.
  "clients/command": [
    "clients/typescript",
    "clients/drawing",
    "clients/conformance",
    "server/main.ts",
    "server/config.ts",
  ],
  "clients/command/batch": ["clients/command", "clients/typescript", "server/exports"],
  "clients/command/pack": ["clients/command", "server/config.ts", "server/engine/index.ts", "server/packs"],
  "clients/command/import.ts": ["clients/command", "clients/typescript", "protocol"],
  "clients/command/export.ts": ["clients/command", "clients/typescript", "server/exports", "protocol"],
  "clients/command/cvat-upload.ts": ["clients/command", "server/exports", "protocol"],
  "clients/command/cvat-tracks.ts": ["server/exports", "protocol"],
  "clients/command/keys.ts": ["clients/command", "server/keys"],
  // A private server has a key of its own.
  "clients/command/track-session.ts": [
    "clients/command",
    "clients/typescript",
    "server/main.ts",
    "server/keys",
  ],
  // The sample is the clip of the demo.
  "clients/command/sample.ts": ["clients/command", "clients/demo"],
  "clients/command/media.ts": ["clients/command", "server/media"],
  // The suite sends what no client would send, and reads answers by the schemas.
  "clients/conformance": ["protocol", "clients/typescript/png-masks.ts"],
  // Examples import the package by its name, as users do.
  "clients/examples": [],
  // The benchmark starts the server that it measures, and measures how it writes masks.
  "clients/bench": [
    "clients/typescript",
    "protocol",
    "server/keys/key.ts",
    "server/main.ts",
    "server/outputs.ts",
  ],
  "clients/demo": ["clients/typescript", "clients/drawing", "clients/command", "server/drawing"],
};

/** Folders and files that may import a package. */
const PACKAGE_IMPORTERS: Record<string, readonly string[]> = {
  masklet: ["clients/examples"],
  "masklet/client": ["clients/examples"],
  "onnxruntime-node": ["server/engine/onnx.ts"],
  "@huggingface/tokenizers": ["server/packs"],
  hono: ["server/http", "server/adapters"],
  "hono/body-limit": ["server/http", "server/adapters"],
  "hono/cors": ["server/http"],
  "hono/utils/http-status": ["server/http"],
  "@hono/node-server": ["server/http"],
  ws: ["server", "clients/typescript/wire.ts", "clients/conformance"],
  pino: ["server/log.ts"],
  "fluent-ffmpeg": ["server/media", "clients/drawing"],
  sharp: ["server/pictures", "clients/drawing", "clients/demo", "clients/command", "clients/conformance"],
  open: ["clients/command/page.ts"],
  commander: ["clients/command"],
  graphql: ["server/adapters"],
  "fast-png": ["clients/typescript/png-masks.ts", "server/imports"],
  saxes: ["server/imports", "server/adapters"],
  "cli-progress": ["clients/command"],
  "prom-client": ["server/metrics.ts"],
  "rate-limiter-flexible": ["server"],
  uuid: ["server"],
  yauzl: ["server/uploads", "server/saved", "server/imports", "clients/command/pack"],
  yazl: ["server/saved", "server/exports"],
  "tar-stream": ["server/uploads", "clients/command"],
  "@tus/server": ["server/uploads"],
  "tus-js-client": ["clients/typescript/resumable.ts"],
  "@fastify/busboy": ["server/uploads"],
  zod: ["protocol", "server"],
  "markdown-it": ["protocol/docs"],
  "github-slugger": ["protocol/docs"],
  "docs/site/pages.mjs": ["protocol/docs"],
  "@preact/signals": ["clients/web"],
  preact: ["clients/web"],
  "preact/hooks": ["clients/web"],
  mediabunny: ["clients/web/video/webcodecs-source.ts"],
  vite: ["clients/web/vite.config.ts"],
};

interface Import {
  from: string;
  to: string;
  kind: "value" | "type" | "dynamic";
}

const imports = Object.keys(ALLOWED_IMPORTS)
  .map((folder) => folder.split("/")[0] ?? folder)
  .filter((folder, index, all) => all.indexOf(folder) === index)
  .flatMap((folder) => sourceFiles(join(root, folder)))
  .flatMap(importsOf);

function sourceFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((path) => /\.tsx?$/.test(path))
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

/** Our files become their path from the root; packages keep their name. */
function resolve(file: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  const path = join(dirname(file), specifier);
  const source = path.replace(/\.js$/, ".ts");
  return relative(root, existsSync(`${source}x`) ? `${source}x` : source);
}

const isIn = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);

function folderOf(path: string): string {
  const candidates = Object.keys(ALLOWED_IMPORTS).filter((folder) => isIn(path, folder));
  const [longest] = candidates.sort((a, b) => b.length - a.length);
  if (longest === undefined) throw new Error(`${path} is in no folder of ALLOWED_IMPORTS`);
  return longest;
}

const isOurs = (path: string) =>
  Object.keys(ALLOWED_IMPORTS).some((folder) => isIn(path, folder.split("/")[0] ?? ""));
const show = ({ from, to }: Import) => `${from} imports ${to}`;

/** Import cycles, each as the path from a file back to itself. Returns at least one of them if there are any. */
function cycles(all: Import[]): string[] {
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
  it("is found and parsed", () => {
    expect(imports.map(show)).toEqual(
      expect.arrayContaining([
        "protocol/requests.ts imports zod",
        "protocol/requests.ts imports protocol/fields.ts",
        "protocol/index.ts imports protocol/rle.ts",
        "clients/typescript/wire.ts imports ws",
      ]),
    );
  });

  it("imports only allowed folders", () => {
    const wrong = imports.filter(({ from, to }) => {
      const folder = folderOf(from);
      return isOurs(to) && ![folder, ...(ALLOWED_IMPORTS[folder] ?? [])].some((allowed) => isIn(to, allowed));
    });
    expect(wrong.map(show)).toEqual([]);
  });

  it("has no import cycles, type imports included", () => {
    const checked = imports.filter(({ to }) => isOurs(to));
    expect(cycles(checked)).toEqual([]);
  });

  it("keeps the tracker's two rule sets separate, and its mask arithmetic free of rules", () => {
    const forbidden: Record<string, readonly string[]> = {
      "tracker/sam3": ["tracker/motion"],
      "tracker/motion": ["tracker/sam3"],
      "tracker/masks": ["tracker/sam3", "tracker/motion", "tracker/rule-sets.ts", "tracker/step.ts"],
    };
    const wrong = imports.filter(({ from, to }) =>
      Object.entries(forbidden).some(
        ([folder, others]) => isIn(from, folder) && others.some((other) => isIn(to, other)),
      ),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it("keeps adapters apart from each other, and from the rest of the server", () => {
    const toolOf = (path: string) => /^server\/adapters\/([^/]+)\//.exec(path)?.[1];
    const doors = [
      ...["server/http/app.ts", "server/http/server.ts", "server/config.ts"],
      "server/adapters/index.ts",
    ];
    const wrong = imports.filter(({ from, to }) => {
      if (!isIn(to, "server/adapters") || doors.includes(from)) return false;
      return !isIn(from, "server/adapters") || (toolOf(to) !== undefined && toolOf(from) !== toolOf(to));
    });
    expect(wrong.map(show)).toEqual([]);
  });

  it("imports the engine only through its index", () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        isIn(to, "server/engine") && !isIn(from, "server/engine") && to !== "server/engine/index.ts",
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it("imports each package only where it is allowed", () => {
    const packages = imports.filter(({ to }) => !isOurs(to) && !to.startsWith("node:"));
    const wrong = packages.filter(
      ({ from, to }) => !(PACKAGE_IMPORTERS[to] ?? []).some((folder) => isIn(from, folder)),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it("imports no Node modules in code for browsers and in the model's arithmetic", () => {
    const folders = ["protocol", "clients/typescript", "detector", "memory", "tracker"];
    const wrong = imports.filter(
      ({ from, to }) =>
        folders.some((folder) => isIn(from, folder)) &&
        !isIn(from, "protocol/docs") &&
        to.startsWith("node:"),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it("imports no schemas in the client: with them it would be fifty times as large", () => {
    const light = [
      "clients/typescript",
      "protocol/rle.ts",
      "protocol/logits.ts",
      "protocol/envelope.ts",
      "protocol/packed-mask.ts",
      "protocol/packed-message.ts",
      "protocol/polygons.ts",
      "protocol/version.ts",
    ];
    const wrong = imports.filter(
      ({ from, to, kind }) =>
        kind === "value" &&
        isOurs(to) &&
        isIn(from, "clients/typescript") &&
        !light.some((one) => isIn(to, one)),
    );
    expect(wrong.map(show)).toEqual([]);
  });
});
