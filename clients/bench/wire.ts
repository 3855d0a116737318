/**
 * Measures the mask formats: bytes per frame, time to encode and to decode, for 1, 10 and 50 objects at 1920x1080.
 *
 *     npm run bench -- wire                              synthetic outlines
 *     npm run bench -- wire clip.mp4 frames/ --text dog  also masks that the embedded pack tracks in these clips
 *
 * `--box x,y,w,h` in fractions of the frame, repeatable, marks objects instead of `--text`. `--frames N` limits the frames of
 * a clip; default 60. Formats alternate within one run; times are the best of five rounds.
 */
import path from "node:path";
import { parseArgs } from "node:util";
import {
  type CocoRle,
  decodeBinaryMessage,
  encodeMask,
  encodeMessage,
  MASK_FORMATS,
  type Outputs,
} from "../../protocol/index.js";
import { startServer } from "../../server/main.js";
import { createOutputsWriter, type OutputsWriter } from "../../server/outputs.js";
import { connect } from "../typescript/client.js";
import { objectsOf } from "../typescript/objects.js";

const ROUNDS = 5;
const OBJECT_COUNTS = [1, 10, 50];
const [WIDTH, HEIGHT] = [1920, 1080];

type Frame = Parameters<OutputsWriter["write"]>[0];

/** @throws Error with one sentence for a wrong option */
export async function benchWire(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      text: { type: "string" },
      box: { type: "string", multiple: true },
      frames: { type: "string", default: "60" },
    },
  });
  const frames = Number(values.frames);
  if (!Number.isInteger(frames) || frames < 1) {
    throw new Error(`--frames: expected a number from 1, got "${values.frames}".`);
  }
  for (const count of OBJECT_COUNTS) {
    const masks = Array.from({ length: count }, (_, index) => outline(index, count));
    await compare(`${count} object${count === 1 ? "" : "s"} at ${WIDTH}x${HEIGHT}`, [frameOf(masks)]);
  }
  const prompts = values.box?.map((box, obj_id) => ({ obj_id, bounding_boxes: [boxOf(box)] })) ?? [
    { text: values.text ?? "object" },
  ];
  for (const clip of positionals) {
    const tracked = await track(path.resolve(clip), prompts, frames);
    const masks = tracked.reduce((sum, masks) => sum + masks.length, 0);
    if (masks === 0)
      throw new Error(`${clip}: expected objects, found none; name others with --text or --box.`);
    await compare(`${clip}: ${tracked.length} frames, ${masks} masks`, tracked.map(frameOf));
  }
}

function boxOf(text: string): [number, number, number, number] {
  const numbers = text.split(",").map(Number);
  if (numbers.length !== 4 || !numbers.every((number) => number >= 0 && number <= 1)) {
    throw new Error(`--box: expected x,y,w,h in fractions of the frame, got "${text}".`);
  }
  return numbers as [number, number, number, number];
}

/** A shape with rough edges whose size decreases with the number of objects. */
function outline(index: number, count: number): CocoRle {
  const radius = 300 / Math.sqrt(count);
  const centerX = (WIDTH * (0.5 + ((index * 7) % count))) / count;
  const centerY = HEIGHT * (0.3 + (0.4 * ((index * 3) % count)) / count);
  const bits = new Uint8Array(WIDTH * HEIGHT);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const angle = Math.atan2(y - centerY, x - centerX);
      const edge = 1 + 0.25 * Math.sin(5 * angle + index) + 0.05 * Math.sin(37 * angle);
      if (Math.hypot(x - centerX, y - centerY) < radius * edge) bits[y * WIDTH + x] = 1;
    }
  }
  return encodeMask(bits, WIDTH, HEIGHT);
}

function frameOf(masks: readonly CocoRle[]): Frame {
  return {
    frameIndex: 0,
    objects: masks.map((mask, objectId) => ({ objectId, prob: 0.9, boxXywh: [0.1, 0.1, 0.5, 0.5], mask })),
    stats: { tracked: masks.length, dropped: 0 },
  };
}

async function track(
  video: string,
  prompts: readonly { text?: string; bounding_boxes?: [number, number, number, number][] }[],
  frames: number,
): Promise<CocoRle[][]> {
  const server = await startServer({ port: 0, logLevel: "silent", mediaRoots: [path.dirname(video)] });
  try {
    const client = await connect(server.url);
    const session = await client.startSession({ resource_path: video });
    for (const prompt of prompts) await session.addPrompt({ frame_index: 0, ...prompt });
    const tracked: CocoRle[][] = [];
    const stream = session.propagate({
      propagation_direction: "forward",
      start_frame_index: 0,
      max_frame_num_to_track: frames - 1,
    });
    for await (const { outputs } of stream) tracked.push(outputs.out_binary_masks ?? []);
    await client.close();
    return tracked;
  } finally {
    await server.close();
  }
}

interface Result {
  bytes: number;
  encodeMs: number;
  decodeMs: number;
}

async function compare(title: string, frames: readonly Frame[]): Promise<void> {
  const results = new Map<string, Result>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const format of MASK_FORMATS) {
      const writer = createOutputsWriter({ mask_format: format });
      const begun = performance.now();
      const messages: (string | Uint8Array)[] = [];
      for (const frame of frames) {
        messages.push(encodeMessage({ outputs: await writer.write(frame, { output_prob_thresh: 0.5 }) }));
      }
      const encoded = performance.now();
      for (const message of messages) decode(message, format !== "none");
      const decoded = performance.now();
      const before = results.get(format);
      results.set(format, {
        bytes: messages.reduce((sum, message) => sum + message.length, 0) / frames.length,
        encodeMs: Math.min(before?.encodeMs ?? Infinity, (encoded - begun) / frames.length),
        decodeMs: Math.min(before?.decodeMs ?? Infinity, (decoded - encoded) / frames.length),
      });
    }
  }
  const objects = frames.reduce((sum, frame) => sum + frame.objects.length, 0) / frames.length;
  const base = results.get("rle") as Result;
  const without = results.get("none") as Result;
  process.stdout.write(`${title}\n`);
  process.stdout.write(
    "format     bytes/frame  mask bytes/object  of rle  encode ms/frame  decode ms/frame\n",
  );
  for (const [format, { bytes, encodeMs, decodeMs }] of results) {
    const cells = [
      bytes.toFixed(0).padStart(11),
      ((bytes - without.bytes) / objects).toFixed(0).padStart(17),
      `${((100 * bytes) / base.bytes).toFixed(0)} %`.padStart(6),
      encodeMs.toFixed(3).padStart(15),
      decodeMs.toFixed(3).padStart(15),
    ];
    process.stdout.write(`${format.padEnd(9)}  ${cells.join("  ")}\n`);
  }
}

/** From the message to pixels, as a client does. */
function decode(message: string | Uint8Array, hasMasks: boolean): void {
  const parsed = typeof message === "string" ? JSON.parse(message) : decodeBinaryMessage(message);
  const objects = objectsOf((parsed as { outputs: Outputs }).outputs);
  if (hasMasks) for (const object of objects) object.decodeMask();
}
