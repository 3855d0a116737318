import { connect, objectsOf } from "masklet/client";

const [url = "ws://127.0.0.1:8765", source = "demo-output/frames", phrase = "red circle"] =
  process.argv.slice(2);
const client = await connect(url, { key: process.env.MASKLET_KEY });
const upload = await client.upload(source); // a folder of pictures, a ZIP or tar archive, or a video
console.log(`${upload.num_frames} frames, left out: ${upload.left_out_count ?? 0}`);
const session = await client.startSession({ upload_id: upload.upload_id, mask_format: "binary" });
await session.addPrompt({ frame_index: 0, text: phrase });
for await (const frame of session.propagate()) {
  for (const object of objectsOf(frame.outputs)) {
    const { width, height } = object.decodeMask(); // objectsOf decodes every format
    console.log(frame.frame_index, object.id, object.boxXywh, `${width}x${height}`);
  }
}
await client.close();
