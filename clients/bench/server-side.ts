import path from "node:path";
import { startServer } from "../../server/main.js";
import { connect, type MaskletClient } from "../typescript/client.js";
import type { BenchPrompt, Side } from "./side.js";

/** Starts a server and connects to it. @throws Error when the pack cannot be used */
export async function openServer(
  packDir: string,
  video: string,
  prompt: BenchPrompt,
  threads: number,
): Promise<Side> {
  const server = await startServer({
    port: 0,
    packDir,
    threads,
    logLevel: "silent",
    mediaRoots: [path.dirname(video)],
  });
  await server.predictor.ready;
  const client = await connect(server.url);
  return {
    name: "masklet",
    async pass(frames) {
      const begun = performance.now();
      const seen = await track(client, video, prompt, frames);
      return { ...seen, seconds: (performance.now() - begun) / 1000 };
    },
    async close() {
      await client.close();
      await server.close();
    },
  };
}

/** Prompts the first frame and tracks the video in a new session. */
async function track(client: MaskletClient, video: string, prompt: BenchPrompt, limit?: number) {
  const session = await client.startSession({ resource_path: video });
  for (const fields of promptFields(prompt)) await session.addPrompt({ frame_index: 0, ...fields });
  let frames = 0;
  let objects = 0;
  for await (const { outputs } of session.propagate({
    propagation_direction: "forward",
    start_frame_index: 0,
    ...(limit !== undefined && { max_frame_num_to_track: limit - 1 }),
  })) {
    frames += 1;
    objects += outputs.out_obj_ids.length;
  }
  await session.close();
  return { frames, objects };
}

function promptFields(prompt: BenchPrompt) {
  if ("text" in prompt) return [prompt];
  return prompt.boxes.map((box, obj_id) => {
    const [x, y, width, height, ...more] = box.split(",").map(Number);
    if (x === undefined || y === undefined || width === undefined || height === undefined || more.length > 0)
      throw new Error(`--box: expected x,y,width,height in pixels, got "${box}".`);
    const bounding_boxes: [number, number, number, number][] = [[x, y, width, height]];
    return { obj_id, rel_coordinates: false, bounding_boxes };
  });
}
