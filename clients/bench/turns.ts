/**
 * Measures how long a click waits while another owner propagates: the latency of `add_prompt` with a point, over a WebSocket,
 * and the frames per second of the propagations.
 *
 *     npm run bench -- turns clip.mp4
 *     npm run bench -- turns clip.mp4 --root ../other --root .     also another built tree, for a comparison in one run
 *
 * `--streams 0,1,4` numbers of propagations; `--objects 5` objects in each; `--seconds 8` per measurement; `--rounds 2` of all
 * measurements, the trees by turns; `--click same` clicks on one frame, `--click any` on frames that must be decoded first.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { createKey, digestOf } from "../../server/keys/key.js";
import { connect, type MaskletClient } from "../typescript/client.js";
import { wholeNumber } from "./options.js";

interface Options {
  video: string;
  objects: number;
  seconds: number;
  click: "same" | "any";
}

interface Measured {
  clicksMs: number[];
  framesPerSecond: number;
}

/** Time before the first click that counts: the propagations have begun. */
const WARM_UP_MS = 2_000;
/** Time between the answer to a click and the next click. */
const THINK_MS = 50;

/** @throws Error with one sentence for a wrong option */
export async function benchTurns(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      root: { type: "string", multiple: true, default: ["."] },
      streams: { type: "string", default: "0,1,4" },
      objects: { type: "string", default: "5" },
      seconds: { type: "string", default: "8" },
      rounds: { type: "string", default: "2" },
      click: { type: "string", default: "same" },
    },
  });
  const [clip, ...more] = positionals;
  if (clip === undefined || more.length > 0)
    throw new Error(`expected one video, got ${positionals.length}.`);
  const { click } = values;
  if (click !== "same" && click !== "any") throw new Error(`--click: expected same or any, got "${click}".`);
  const options: Options = {
    video: path.resolve(clip),
    objects: wholeNumber("objects", values.objects),
    seconds: wholeNumber("seconds", values.seconds),
    click,
  };
  const streams = values.streams.split(",").map((text) => wholeNumber("streams", text, 0));
  const rounds = wholeNumber("rounds", values.rounds);
  process.stdout.write("tree  propagations  clicks  p50 ms  p99 ms  max ms  x alone  frames/s\n");
  const results = new Map<string, Measured>();
  for (let round = 0; round < rounds; round++) {
    for (const count of streams) {
      const roots = round % 2 === 0 ? values.root : [...values.root].reverse();
      for (const root of roots) {
        const name = `${root} ${count}`;
        const measured = await measure(path.resolve(root), count, options);
        results.set(name, merge(results.get(name), measured));
      }
    }
  }
  for (const root of values.root) {
    const alone = results.get(`${root} 0`);
    for (const count of streams) write(root, count, results.get(`${root} ${count}`) as Measured, alone);
  }
}

function merge(a: Measured | undefined, b: Measured): Measured {
  if (!a) return b;
  return {
    clicksMs: [...a.clicksMs, ...b.clicksMs],
    framesPerSecond: Math.max(a.framesPerSecond, b.framesPerSecond),
  };
}

function write(
  root: string,
  streams: number,
  { clicksMs, framesPerSecond }: Measured,
  alone?: Measured,
): void {
  const p50 = quantile(clicksMs, 0.5);
  const cells = [
    String(streams).padStart(12),
    String(clicksMs.length).padStart(6),
    p50.toFixed(0).padStart(6),
    quantile(clicksMs, 0.99).toFixed(0).padStart(6),
    quantile(clicksMs, 1).toFixed(0).padStart(6),
    (alone ? (p50 / quantile(alone.clicksMs, 0.5)).toFixed(1) : "").padStart(7),
    framesPerSecond.toFixed(1).padStart(8),
  ];
  process.stdout.write(`${root}  ${cells.join("  ")}\n`);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Starts the server of a built tree, in its own process. One owner propagates, another one clicks. */
async function measure(root: string, streams: number, options: Options): Promise<Measured> {
  const [batchKey, clickKey] = [createKey(), createKey()];
  const lines = Object.entries({ batch: batchKey, clicks: clickKey }).map(
    ([name, key]) => `${name}:sha256:${digestOf(key)?.toString("hex")}`,
  );
  const program = path.join(root, "dist/clients/command/main.js");
  const server = spawn(
    process.execPath,
    [program, "serve", "--port", "0", "--media-root", path.dirname(options.video)],
    {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, MASKLET_KEYS: lines.join("\n"), MASKLET_LOG_LEVEL: "silent" },
    },
  );
  try {
    const url = await addressOf(server.stdout, root);
    const stop = new AbortController();
    const counter = { frames: 0 };
    // Trees from before keys serve all connections of an address as one owner.
    const open = (key: string) => connect(url, { key }).catch(() => connect(url));
    const batch = await open(batchKey);
    const clicks = await open(clickKey);
    const running = Array.from({ length: streams }, () => propagate(batch, options, counter, stop.signal));
    const click = await prepareClicks(clicks, options);
    if (streams > 0) await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
    const clicksMs: number[] = [];
    const begun = performance.now();
    const framesBefore = counter.frames;
    while (performance.now() - begun < options.seconds * 1000) {
      clicksMs.push(await click());
      await new Promise((resolve) => setTimeout(resolve, THINK_MS));
    }
    const framesPerSecond = ((counter.frames - framesBefore) * 1000) / (performance.now() - begun);
    stop.abort();
    await Promise.all(running);
    await Promise.all([batch.close(), clicks.close()]);
    return { clicksMs, framesPerSecond };
  } finally {
    server.kill("SIGINT");
    if (server.exitCode === null) await once(server, "exit");
  }
}

/** Waits for the line in which a server prints its address. */
async function addressOf(output: NodeJS.ReadableStream, root: string): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const url = /ws:\/\/\S+/.exec(line)?.[0];
    if (url) return url;
  }
  throw new Error(`--root: the server of ${root} did not start; build it with npm run build.`);
}

/** Marks boxes in a new session and tracks them to the end of the video, again and again. */
async function propagate(
  client: MaskletClient,
  { video, objects }: Options,
  counter: { frames: number },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const session = await client.startSession({ resource_path: video });
    for (let obj_id = 0; obj_id < objects; obj_id++) {
      const at = objects > 1 ? obj_id / (objects - 1) : 0.5;
      await session.addPrompt({
        frame_index: 0,
        obj_id,
        bounding_boxes: [[0.1 + 0.55 * at, 0.3, 0.25, 0.3]],
      });
    }
    const stream = session.propagate({ propagation_direction: "forward", start_frame_index: 0 });
    for await (const _ of stream) {
      counter.frames += 1;
      if (signal.aborted) break;
    }
    await session.close();
  }
}

/** Opens a session and clicks a few times. @returns a function that clicks once and resolves to the latency in milliseconds */
async function prepareClicks(
  client: MaskletClient,
  { video, click }: Options,
): Promise<() => Promise<number>> {
  const session = await client.startSession({ resource_path: video });
  const { num_frames: numFrames } = session.facts;
  let count = 0;
  async function clickOnce(): Promise<number> {
    const frame_index = click === "same" ? 0 : (count * 37) % numFrames;
    const x = 0.3 + 0.1 * (count++ % 5);
    const begun = performance.now();
    await session.addPrompt({ frame_index, obj_id: 1, points: [[x, 0.5]], point_labels: [1] });
    return performance.now() - begun;
  }
  for (let warmUp = 0; warmUp < 5; warmUp++) await clickOnce();
  return clickOnce;
}
