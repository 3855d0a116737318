// A client that its parent kills in the middle of a stream. Usage: lost-client.mjs SOCKET UPLOAD_ID, with MASKLET_KEY.
import { WebSocket } from "ws";

const [url, upload_id] = process.argv.slice(2);
const socket = new WebSocket(url, ["masklet.v1"], {
  headers: { authorization: `Bearer ${process.env.MASKLET_KEY}` },
});
const send = (message) => socket.send(JSON.stringify(message));
let session_id;
socket.on("open", () => send({ type: "start_session", request_id: "1", upload_id }));
socket.on("message", (data) => {
  const message = JSON.parse(data.toString());
  if (message.type === "frame") process.stdout.write("frame\n");
  if (message.type === "error") process.stdout.write(`${message.error.code}\n`);
  if (message.type !== "response") return;
  session_id ??= message.session_id;
  if (message.request_id === "1") {
    const bounding_boxes = [[0.1, 0.3, 0.25, 0.37]];
    send({ type: "add_prompt", request_id: "2", session_id, frame_index: 0, obj_id: 0, bounding_boxes });
  }
  if (message.request_id === "2") send({ type: "propagate_in_video", request_id: "3", session_id });
});
