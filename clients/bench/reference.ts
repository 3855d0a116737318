/**
 * Frames per second of the whole server, decoding to socket, beside transformers in PyTorch: same weights, same clip, same
 * number of threads, one after the other in one go.
 *
 *     npm run bench -- reference --checkpoint models/sam3 --pack packs/sam3 --video clip.mp4 --text "red car"
 *     npm run bench -- reference --checkpoint models/sam2 --pack packs/sam2 --video clip.mp4 --box 100,80,60,40
 */
import { execFile } from "node:child_process";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import { startServer } from "../../server/main.js";
import { connect, type MaskletClient } from "../typescript/client.js";

interface Measured {
  frames: number;
  objects: number;
  seconds: number;
}

interface Plan {
  /** Folder that `save_pretrained` of a video model wrote, with its tokenizer. */
  checkpoint: string;
  /** The same, exported. */
  pack: string;
  video: string;
  prompt: { text: string } | { box: string };
  threads: number;
}

const trainingDir = path.join(import.meta.dirname, "..", "..", "training");

function readPlan(args: string[]): Plan {
  const { values } = parseArgs({
    args,
    options: {
      checkpoint: { type: "string" },
      pack: { type: "string" },
      video: { type: "string" },
      text: { type: "string" },
      box: { type: "string" },
      threads: { type: "string", default: "1" },
    },
  });
  const required = (name: "checkpoint" | "pack" | "video") => {
    const value = values[name];
    if (value === undefined)
      throw new Error(`--${name} is missing; --checkpoint, --pack, --video and --text or --box are needed.`);
    return value;
  };
  const threads = Number(values.threads);
  if (!Number.isInteger(threads) || threads < 1)
    throw new Error(`--threads: expected a number from 1, got "${values.threads}".`);
  return {
    checkpoint: path.resolve(required("checkpoint")),
    pack: path.resolve(required("pack")),
    video: path.resolve(required("video")),
    prompt: readPrompt(values),
    threads,
  };
}

/** A phrase for SAM 3; a box `x,y,w,h` in pixels of the video for SAM 2.1 and EdgeTAM. */
function readPrompt({ text, box }: { text?: string; box?: string }): Plan["prompt"] {
  if (text !== undefined && box === undefined) return { text };
  if (box !== undefined && text === undefined) return { box };
  throw new Error("Name one prompt: --text for SAM 3, or --box for SAM 2.1 and EdgeTAM.");
}

/** Python of the environment that `training/requirements.txt` was installed into: `PYTHON`, or `python3`. */
async function measureTransformers({ checkpoint, video, prompt, threads }: Plan): Promise<Measured> {
  const python = process.env.PYTHON ?? "python3";
  const asked = "text" in prompt ? ["--text", prompt.text] : ["--box", prompt.box];
  const { stdout } = await promisify(execFile)(
    python,
    ["-m", "parity.bench_reference", checkpoint, video, ...asked, "--threads", String(threads)],
    { cwd: trainingDir, maxBuffer: 2 ** 24, env: { ...process.env, OMP_NUM_THREADS: String(threads) } },
  );
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Measured;
}

function promptFields(prompt: Plan["prompt"]) {
  if ("text" in prompt) return prompt;
  const [x, y, width, height] = prompt.box.split(",").map(Number);
  if (x === undefined || y === undefined || width === undefined || height === undefined)
    throw new Error(`--box: expected x,y,width,height in pixels, got "${prompt.box}".`);
  return {
    obj_id: 0,
    rel_coordinates: false,
    bounding_boxes: [[x, y, width, height] satisfies [number, number, number, number]],
  };
}

async function measureServer({ pack, video, prompt, threads }: Plan): Promise<Measured> {
  const server = await startServer({
    port: 0,
    packDir: pack,
    threads,
    logLevel: "silent",
    mediaRoots: [path.dirname(video)],
  });
  try {
    await server.predictor.ready;
    const client = await connect(server.url);
    // Graphs are opened when they are first used; opening them is loading the model, which the other side does not count.
    await track(client, video, prompt, 2);
    const begun = performance.now();
    const seen = await track(client, video, prompt);
    const seconds = (performance.now() - begun) / 1000;
    await client.close();
    return { ...seen, seconds };
  } finally {
    await server.close();
  }
}

/** Prompts the first frame and follows the video, in a session of its own. @param reach how many frames beyond the first */
async function track(client: MaskletClient, video: string, prompt: Plan["prompt"], reach?: number) {
  const session = await client.startSession({ resource_path: video });
  await session.addPrompt({ frame_index: 0, ...promptFields(prompt) });
  let frames = 0;
  let objects = 0;
  for await (const { outputs } of session.propagate({
    propagation_direction: "forward",
    start_frame_index: 0,
    ...(reach === undefined ? {} : { max_frame_num_to_track: reach }),
  })) {
    frames += 1;
    objects += outputs.out_obj_ids.length;
  }
  await session.close();
  return { frames, objects };
}

function line(name: string, { frames, objects, seconds }: Measured): string {
  const rate = (frames / seconds).toFixed(2);
  return `${name.padEnd(13)} ${rate} frames per second (${frames} frames, ${objects} objects shown, ${seconds.toFixed(2)} s)\n`;
}

/** @throws Error with one sentence when something is missing or Python cannot run */
export async function benchReference(args: string[]): Promise<void> {
  const plan = readPlan(args);
  const reference = await measureTransformers(plan);
  process.stdout.write(line("transformers", reference));
  const server = await measureServer(plan);
  process.stdout.write(line("masklet", server));
  const ratio = server.frames / server.seconds / (reference.frames / reference.seconds);
  process.stdout.write(
    `ratio         ${ratio.toFixed(2)} (${plan.threads} thread${plan.threads === 1 ? "" : "s"})\n`,
  );
}
