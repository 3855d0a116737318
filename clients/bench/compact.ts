/**
 * Compares packs on one clip, alternating in one run: time to load, frames per second of the whole server for several numbers
 * of objects, time inside ONNX Runtime, and the latency of a click.
 *
 *     npm run bench -- compact clip.mp4
 *     npm run bench -- compact clip.mp4 --pack ../before/packs/compact --pack packs/compact
 *
 * `--objects 1,5,16` numbers of boxes; `--threads 2` restricts the server to so many cores; `--frames 60` of the clip at most;
 * `--rounds 2` of all measurements, the packs by turns. The reported values are those of the best round, because on a shared
 * machine the best round is the least disturbed. `in ORT` is the time inside ONNX Runtime per second of wall time: more than
 * 1 if graphs run at the same time.
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { startServer } from "../../server/main.js";
import { connect, type MaskletClient } from "../typescript/client.js";
import { keepToCores } from "./cores.js";
import { wholeNumber } from "./options.js";

interface Plan {
  video: string;
  packs: string[];
  objects: number[];
  threads: number;
  frames: number;
  rounds: number;
}

interface Row {
  framesPerSecond: number;
  /** Seconds inside ONNX Runtime per second. */
  inRuntime: number;
}

interface Measured {
  loadSeconds: number;
  clickMs: number;
  rows: Map<number, Row>;
}

const CLICKS = 12;
const WARM_UP_CLICKS = 3;

function readPlan(args: string[]): Plan {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      pack: { type: "string", multiple: true, default: ["packs/compact"] },
      objects: { type: "string", default: "1,5,16" },
      threads: { type: "string", default: "2" },
      frames: { type: "string", default: "60" },
      rounds: { type: "string", default: "2" },
    },
  });
  const [video, ...more] = positionals;
  if (video === undefined || more.length > 0)
    throw new Error(`expected one video, got ${positionals.length}.`);
  return {
    video: path.resolve(video),
    packs: values.pack,
    objects: values.objects.split(",").map((text) => wholeNumber("objects", text)),
    threads: wholeNumber("threads", values.threads),
    frames: wholeNumber("frames", values.frames),
    rounds: wholeNumber("rounds", values.rounds),
  };
}

/** @throws Error with one sentence for a wrong option, and when a pack cannot be used */
export async function benchCompact(args: string[]): Promise<void> {
  const plan = readPlan(args);
  await keepToCores(plan.threads);
  const best = new Map<string, Measured>();
  for (let round = 0; round < plan.rounds; round++) {
    for (const pack of round % 2 === 0 ? plan.packs : [...plan.packs].reverse()) {
      best.set(pack, better(best.get(pack), await measure(pack, plan)));
    }
  }
  process.stdout.write("pack  objects  frames/s  in ORT  click p50 ms  load s\n");
  for (const pack of plan.packs) {
    const { loadSeconds, clickMs, rows } = best.get(pack) as Measured;
    for (const [objects, { framesPerSecond, inRuntime }] of rows) {
      const cells = [
        String(objects).padStart(7),
        framesPerSecond.toFixed(1).padStart(8),
        inRuntime.toFixed(2).padStart(6),
        clickMs.toFixed(0).padStart(12),
        loadSeconds.toFixed(2).padStart(6),
      ];
      process.stdout.write(`${pack}  ${cells.join("  ")}\n`);
    }
  }
}

function better(before: Measured | undefined, now: Measured): Measured {
  if (!before) return now;
  const rows = new Map(now.rows);
  for (const [objects, row] of before.rows) {
    const other = rows.get(objects);
    if (!other || row.framesPerSecond > other.framesPerSecond) rows.set(objects, row);
  }
  return {
    loadSeconds: Math.min(before.loadSeconds, now.loadSeconds),
    clickMs: Math.min(before.clickMs, now.clickMs),
    rows,
  };
}

async function measure(pack: string, { video, objects, threads, frames }: Plan): Promise<Measured> {
  const begun = performance.now();
  const server = await startServer({
    port: 0,
    packDir: path.resolve(pack),
    threads,
    logLevel: "silent",
    mediaRoots: [path.dirname(video)],
  });
  try {
    await server.predictor.ready;
    const loadSeconds = (performance.now() - begun) / 1000;
    const client = await connect(server.url);
    const clickMs = await clickLatency(client, video);
    const rows = new Map<number, Row>();
    for (const count of objects) {
      const inside = () => secondsInRuntime(server.url);
      rows.set(count, await propagate({ client, video, count, frames, inside }));
    }
    await client.close();
    return { loadSeconds, clickMs, rows };
  } finally {
    await server.close();
  }
}

/** The median time from a click to its mask, on a frame that is encoded. */
async function clickLatency(client: MaskletClient, video: string): Promise<number> {
  const session = await client.startSession({ resource_path: video });
  const times: number[] = [];
  for (let click = 0; click < WARM_UP_CLICKS + CLICKS; click++) {
    const begun = performance.now();
    const point: [number, number] = [0.3 + 0.1 * (click % 5), 0.5];
    await session.addPrompt({ frame_index: 0, obj_id: 1, points: [point], point_labels: [1] });
    times.push(performance.now() - begun);
  }
  await session.close();
  const counted = times.slice(WARM_UP_CLICKS).sort((a, b) => a - b);
  return counted[Math.floor(counted.length / 2)] as number;
}

interface Propagation {
  client: MaskletClient;
  video: string;
  count: number;
  frames: number;
  /** Seconds inside ONNX Runtime so far. */
  inside: () => Promise<number>;
}

/** Marks boxes in a grid on the first frame of a new session and tracks them; the first tracked frame is not counted. */
async function propagate({ client, video, count, frames, inside }: Propagation): Promise<Row> {
  const session = await client.startSession({ resource_path: video });
  const columns = Math.ceil(Math.sqrt(count));
  for (let obj_id = 0; obj_id < count; obj_id++) {
    const [row, column] = [Math.floor(obj_id / columns), obj_id % columns];
    const size = 0.8 / columns;
    const box: [number, number, number, number] = [
      0.1 + size * column,
      0.1 + size * row,
      size * 0.9,
      size * 0.9,
    ];
    await session.addPrompt({ frame_index: 0, obj_id, bounding_boxes: [box] });
  }
  let counted = 0;
  let [begun, before] = [0, 0];
  for await (const { frame_index } of session.propagate({
    propagation_direction: "forward",
    start_frame_index: 0,
    max_frame_num_to_track: frames,
  })) {
    if (frame_index <= 1) [begun, before] = [performance.now(), await inside()];
    else counted++;
  }
  const seconds = (performance.now() - begun) / 1000;
  const inRuntime = ((await inside()) - before) / seconds;
  await session.close();
  return { framesPerSecond: counted / seconds, inRuntime };
}

async function secondsInRuntime(address: string): Promise<number> {
  const url = new URL("/metrics", address.replace(/^ws/, "http"));
  const text = await (await fetch(url)).text();
  const lines = text.matchAll(/^masklet_graph_run_seconds_total\{[^}]*\} (\S+)$/gm);
  return [...lines].reduce((sum, [, seconds]) => sum + Number(seconds), 0);
}
