// Pushes the frames of a camera, or of whatever ffmpeg opens, and prints the boxes of each frame.
//
//     node --import tsx live.ts ws://127.0.0.1:8765 "red circle" -f v4l2 -i /dev/video0     a webcam on Linux
//     node --import tsx live.ts ws://127.0.0.1:8765 person -f avfoundation -i 0             a webcam on macOS
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { connect, objectsOf } from "masklet/client";

const [url = "ws://127.0.0.1:8765", phrase = "red circle", ...given] = process.argv.slice(2);
const client = await connect(url, { key: process.env.MASKLET_KEY });
// `drop: "oldest"` skips frames that arrive faster than the server computes.
const session = await client.startSession({ live: true, drop: "oldest" });

const input = given.length > 0 ? given : ["-t", "2", "-i", "demo-output/clip.mp4"];
const ffmpeg: string =
  process.env.FFMPEG_PATH ?? createRequire(import.meta.url)("@ffmpeg-installer/ffmpeg").path;
const output = ["-f", "image2pipe", "-c:v", "mjpeg", "-q:v", "3", "-"];
const camera = spawn(ffmpeg, ["-loglevel", "error", "-nostdin", ...input, ...output], {
  stdio: ["ignore", "pipe", "inherit"],
});
camera.on("exit", (status) => {
  if (status !== 0) process.exitCode = 1; // ffmpeg has printed why
});
let isPrompted = false;
for await (const picture of jpegs(camera.stdout)) {
  const answer = await session.pushFrame(picture);
  if (answer.type === "frame_dropped") continue;
  const boxes = objectsOf(answer.outputs).map(({ id, boxXywh }) => `${id}: ${boxXywh.join(" ")}`);
  console.log(answer.frame_index, boxes.join(", "));
  if (!isPrompted) await session.addPrompt({ frame_index: "latest", text: phrase });
  isPrompted = true;
}
await client.close();

/** The pictures of a pipe; each ends with the bytes FF D9, which occur nowhere else in the JPEG files that ffmpeg writes. */
async function* jpegs(pipe: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  for await (const bytes of pipe) {
    rest = Buffer.concat([rest, bytes]);
    for (let end = rest.indexOf("ffd9", 0, "hex"); end >= 0; end = rest.indexOf("ffd9", 0, "hex")) {
      yield rest.subarray(0, end + 2);
      rest = rest.subarray(end + 2);
    }
  }
}
