// Tracks an object, corrects it in the middle of the video, and computes only the frames that the correction changes.
import { connect } from "masklet/client";

const [url = "ws://127.0.0.1:8765", video = "demo-output/clip.mp4", phrase = "red circle"] =
  process.argv.slice(2);
const client = await connect(url, { key: process.env.MASKLET_KEY });
const session = await client.startSession({ resource_path: video });
const found = await session.addPrompt({ frame_index: 0, text: phrase });
const [obj_id] = found.outputs.out_obj_ids;
if (obj_id === undefined) throw new Error(`"${phrase}" is not on frame 0`);
let tracked = 0;
for await (const _ of session.propagate()) tracked++;
console.log(`tracked ${tracked} frames`);

// Frame 0 is right: a locked frame, like a prompt, bounds what a later correction can change.
await session.lockFrames({ obj_id, first_frame_index: 0, last_frame_index: 0 });
// The box stands for the correction that you would draw.
const middle = Math.floor(tracked / 2);
const { affected } = await session.addPrompt({
  frame_index: middle,
  obj_id,
  bounding_boxes: [[0.25, 0.25, 0.5, 0.5]],
  bounding_box_labels: [1],
});
console.log(`corrected frame ${middle}; stale:`, affected);
let again = 0;
for await (const _ of session.propagate({ scope: "affected" })) again++;
console.log(`computed ${again} of ${tracked} frames again`);
await client.close();
