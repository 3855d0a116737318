import { connect } from "masklet/client";

const [url = "ws://127.0.0.1:8765", video = "demo-output/clip.mp4", phrase = "red circle"] =
  process.argv.slice(2);
const options = { key: process.env.MASKLET_KEY };

// The client opens a lost connection again by itself, and a loop over `propagate` continues. This example shows the rest: a
// program that leaves its session, one that watches, and one that continues later.
const first = await connect(url, options);
const session = await first.startSession({ resource_path: video });
const { token } = session; // a secret: every client that has it reaches the session
await session.addPrompt({ frame_index: 0, text: phrase });

const watcher = await connect(url, options);
await watcher.attachSession({
  session_token: token,
  watch: true,
  onResult: (result) => {
    if (result.type === "frame") console.log(`watched frame ${result.frame_index}`);
  },
});
for await (const frame of session.propagate()) if (frame.frame_index === 1) break;
await first.detach(); // leaves the session open; close() would end it
await watcher.detach();

const second = await connect(url, options);
const attached = await second.attachSession({ session_token: token });
for await (const frame of attached.propagate({ start_frame_index: 0, max_frame_num_to_track: 2 })) {
  console.log(`attached, frame ${frame.frame_index}:`, frame.outputs.out_obj_ids);
}

// A saved session outlives the session, and with the setting saveDir also the server.
const { saved_id, bytes } = await attached.save();
console.log(`saved ${bytes} bytes: GET /v1/saved/${saved_id}`);
await attached.close();
const loaded = await second.loadSession({ saved_id, resource_path: video });
console.log("loaded, objects:", (await loaded.get()).obj_ids);
await second.close();
