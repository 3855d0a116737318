import { createPredictor } from "masklet";

const [video = "demo-output/clip.mp4", phrase = "red circle"] = process.argv.slice(2);
const predictor = createPredictor();
const { session_id } = await predictor.handleRequest({ type: "start_session", resource_path: video });
await predictor.handleRequest({ type: "add_prompt", session_id, frame_index: 0, text: phrase });
for await (const frame of predictor.handleStreamRequest({ type: "propagate_in_video", session_id })) {
  console.log(frame.frame_index, frame.outputs.out_obj_ids, frame.outputs.out_boxes_xywh);
}
await predictor.close();
