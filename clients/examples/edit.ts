import { connect, type FrameMessage } from "masklet/client";

const [url = "ws://127.0.0.1:8765", video = "demo-output/clip.mp4"] = process.argv.slice(2);
const client = await connect(url, { key: process.env.MASKLET_KEY });
const session = await client.startSession({ resource_path: video });
const { width, height, num_frames } = session.facts;

// A mask as a prompt: a polygon around the red circle, in pixels of the video. COCO RLE and PNG are the other forms.
const corners = [0.14, 0.5, 0.21, 0.62, 0.14, 0.75, 0.07, 0.62];
const polygon = corners.map((corner, index) => corner * (index % 2 === 0 ? width : height));
const { obj_id = 0 } = await session.addPrompt({ frame_index: 0, mask: { polygons: [polygon] } });
await show("tracked", session.propagate());

// Frame 0 is checked: keep its mask. On the last frame the object is gone.
const last = num_frames - 1;
await session.lockFrames({ obj_id, first_frame_index: 0, last_frame_index: 0 });
await session.markAbsent({ obj_id, first_frame_index: last, last_frame_index: last });
await session.rename({ obj_id, name: "ball" });

// A correction by a click: `affected` lists the frames that it can change, and only those are computed again.
const click = { points: [[0.145, 0.63] as [number, number]], point_labels: [1 as const] };
const { affected } = await session.addPrompt({ frame_index: 1, obj_id, ...click });
console.log("the click can change:", affected);
await show("computed again", session.propagate({ scope: "affected" }));

// Undo the click, the name and the absence. `stored` reads the results without the model.
for (let edits = 0; edits < 3; edits++) console.log("undone:", (await session.undo()).edit);
await show("stored", session.propagate({ scope: "stored" }));
console.log("frames worth checking:", (await session.suspects()).suspects);
await client.close();

async function show(title: string, frames: AsyncIterable<FrameMessage>): Promise<void> {
  const withObject: number[] = [];
  let count = 0;
  for await (const { frame_index, outputs } of frames) {
    count++;
    if (outputs.out_obj_ids.includes(obj_id)) withObject.push(frame_index);
  }
  console.log(`${title}: ${count} frames, the object is on ${withObject.length} of them`);
}
