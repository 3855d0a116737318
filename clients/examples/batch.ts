// Tracks a phrase through every video of a folder, two at a time, and writes one JSON line per video.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "masklet/client";

const [url = "ws://127.0.0.1:8765", folder = "demo-output", phrase = "red circle"] = process.argv.slice(2);
const client = await connect(url, { key: process.env.MASKLET_KEY });
const videos = (await readdir(folder)).filter((name) => /\.(mp4|mov|mkv|webm)$/i.test(name)).sort();

async function track(name: string): Promise<void> {
  const session = await client.startSession({ resource_path: join(folder, name) });
  await session.addPrompt({ frame_index: 0, text: phrase });
  const frames = new Map<number, number>();
  for await (const { outputs } of session.propagate({ mask_format: "none" })) {
    for (const id of outputs.out_obj_ids) frames.set(id, (frames.get(id) ?? 0) + 1);
  }
  console.log(JSON.stringify({ video: name, frames_of_objects: Object.fromEntries(frames) }));
  await session.close();
}

// Two loops over one iterator: a video begins when an earlier one is done. More share the same processor.
const next = videos.values();
await Promise.all(
  [1, 2].map(async () => {
    for (const name of next) await track(name);
  }),
);
await client.close();
