import { connect, objectsOf } from "masklet/client";

const [url = "ws://127.0.0.1:8765", video = "demo-output/clip.mp4", phrase = "red circle"] =
  process.argv.slice(2);
const client = await connect(url, { key: process.env.MASKLET_KEY });
const session = await client.startSession({ resource_path: video });
await session.addPrompt({ frame_index: 0, text: phrase });
for await (const frame of session.propagate()) {
  for (const object of objectsOf(frame.outputs)) {
    const { data } = object.decodeMask(); // one byte per pixel, 1 inside the mask
    const area = data.reduce((sum, bit) => sum + bit, 0);
    console.log(frame.frame_index, object.id, object.boxXywh, `${area} pixels`);
  }
}
await client.close();
