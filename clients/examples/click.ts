// Marks one object by a click, and prints its box on every frame.
import { connect, objectsOf } from "masklet/client";

const [url = "ws://127.0.0.1:8765", video = "demo-output/clip.mp4", x = "0.14", y = "0.62"] =
  process.argv.slice(2);
const client = await connect(url, { key: process.env.MASKLET_KEY });
const session = await client.startSession({ resource_path: video });
// Fractions of the width and height; with `rel_coordinates: false`, pixels.
const points: [number, number][] = [[Number(x), Number(y)]];
const { obj_id } = await session.addPrompt({ frame_index: 0, points, point_labels: [1] });
for await (const frame of session.propagate()) {
  const object = objectsOf(frame.outputs).find(({ id }) => id === obj_id);
  const box = object?.boxXywh.map((side) => side.toFixed(3)); // left, top, width, height
  console.log(frame.frame_index, box ? box.join(" ") : "not visible");
}
await client.close();
