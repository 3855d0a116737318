/** How ONNX Runtime is loaded: without telemetry, and with a clear error where it is missing. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { compactPackDir } from "../../helpers/tiny-pack.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const source = (name: string) => JSON.stringify(new URL(`../../../server/${name}`, import.meta.url).href);

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "masklet-runtime-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a program from source. @returns what it printed */
async function run(program: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { ORT_DISABLE_TELEMETRY: _, ...inherited } = process.env;
  const args = ["--import", "tsx", "--input-type=module", "-e", program];
  const options = { cwd: root, env: { ...inherited, TSX_DISABLE_CACHE: "1", ...env } };
  return (await promisify(execFile)(process.execPath, args, options)).stdout;
}

test.each([
  [
    "an engine with a session",
    `import { createEngine } from ${source("engine/index.ts")};
     const engine = await createEngine({ packDir: ${JSON.stringify(compactPackDir)}, threads: 1 });
     const session = await engine.open({ width: 64, height: 48 });
     const rgb = new Uint8Array(engine.pack.inputSize ** 2 * 3);
     const prompt = { kind: "concept", text: "dog", replace: false };
     await session.prompt({ frame: { index: 0, rgb }, prompt });
     await engine.close();`,
  ],
  [
    "graphs opened in the program's own process",
    `import { openGraphs } from ${source("engine/graphs.ts")};
     import { openPack } from ${source("packs/pack.ts")};
     const pack = await openPack(${JSON.stringify(compactPackDir)});
     const graphs = await openGraphs(pack, { providers: ["cpu"], threads: 1, warn() {} });
     const { S } = pack.manifest.geometry;
     const image = { type: "uint8", dims: [1, S, S, 3], data: new Uint8Array(S * S * 3) };
     await graphs.run("encode", { image }, ["feat"]);`,
  ],
])("%s writes no telemetry files", async (_, program) => {
  const [HOME, TMPDIR] = [await emptyFolder(), await emptyFolder()];
  await run(program, { HOME, TMPDIR });
  expect(await readdir(HOME, { recursive: true })).toEqual([]);
  expect(await readdir(TMPDIR, { recursive: true })).toEqual([]);
});

test("a missing native library is named, with the command that installs it", async () => {
  const folder = await emptyFolder();
  // Resolves the package as if its native library were missing.
  const hooks = `export async function resolve(specifier, context, next) {
    if (specifier === "onnxruntime-node") throw new Error("Cannot find module 'onnxruntime_binding.node'");
    return next(specifier, context);
  }`;
  await writeFile(path.join(folder, "hooks.mjs"), hooks);
  const register = `import { register } from "node:module";
    register(${JSON.stringify(pathToFileURL(path.join(folder, "hooks.mjs")).href)});`;
  await writeFile(path.join(folder, "register.mjs"), register);
  const program = `import { createPredictor } from ${source("index.ts")};
    const predictor = createPredictor();
    const error = await predictor.ready.catch((error) => error);
    const { state, reason } = predictor.stats();
    await predictor.close();
    console.log(JSON.stringify({ code: error.code, message: error.message, state, reason }));`;
  const printed = await run(program, {
    NODE_OPTIONS: `--import ${pathToFileURL(path.join(folder, "register.mjs")).href}`,
  });
  const message = expect.stringMatching(
    /ONNX Runtime cannot be loaded for \w+-\w+: .*onnxruntime_binding\.node.*"npm install onnxruntime-node"/,
  );
  expect(JSON.parse(printed)).toEqual({ code: "engine_failed", message, state: "failed", reason: message });
});
