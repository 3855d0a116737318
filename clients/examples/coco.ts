// Tracks a phrase and writes the masks as a COCO file.
import { writeFile } from "node:fs/promises";
import { connect } from "masklet/client";

const [
  url = "ws://127.0.0.1:8765",
  video = "demo-output/clip.mp4",
  phrase = "red circle",
  out = "coco.json",
] = process.argv.slice(2);
const key = process.env.MASKLET_KEY;
const client = await connect(url, { key });
const session = await client.startSession({ resource_path: video });
await session.addPrompt({ frame_index: 0, text: phrase });
for await (const _ of session.propagate({ mask_format: "none" })); // the server keeps the masks

// Exports are answers over HTTP. GET /v1/exports lists the formats.
const http = new URL(`/v1/sessions/${session.id}/export/coco`, url.replace(/^ws/, "http"));
const answer = await fetch(http, key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } });
if (!answer.ok) throw new Error(await answer.text());
await writeFile(out, Buffer.from(await answer.arrayBuffer()));
console.log(`wrote ${out}`);
await client.close();
