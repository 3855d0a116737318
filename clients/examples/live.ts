import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { connect, objectsOf } from "masklet/client";

const [url = "ws://127.0.0.1:8765", folder = "demo-output/frames", phrase = "red circle"] =
  process.argv.slice(2);
const client = await connect(url, { key: process.env.MASKLET_KEY });
const session = await client.startSession({ live: true });
let isPrompted = false;
// In place of a camera: the pictures of a folder.
for (const name of (await readdir(folder)).sort()) {
  const answer = await session.pushFrame(await readFile(join(folder, name)));
  if (answer.type === "frame_dropped") continue; // only with `drop: "oldest"`
  for (const object of objectsOf(answer.outputs)) console.log(answer.frame_index, object.id, object.boxXywh);
  if (!isPrompted) await session.addPrompt({ frame_index: "latest", text: phrase });
  isPrompted = true;
}
await client.close();
