/**
 * `npm run soak:adapters -- [--tasks N]`: annotation tools and a client of the protocol on one server with the embedded model. The tools
 * open tasks and leave them, without an end. Prints what the server holds before and after; exit code 1 when something did not
 * return, a request failed, or the masks of the client were others than undisturbed. Linux only.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connect } from "../../clients/typescript/index.js";
import { CIRCLE, drawFrames, encodeVideo, FPS, HEIGHT, WIDTH } from "../adapters/tools/clip.js";
import { compare, type Reading, read } from "./meter.js";
import { createRandom } from "./random.js";
import { type SoakServer, startSoakServer } from "./server.js";

/** Sessions expire after 10 s, uploads after 20 s, and idle processes end. */
const SETTLING_MS = 60_000;
const MIB = 1024 ** 2;
const clip = { frames: 8 };

const { values } = parseArgs({ options: { tasks: { type: "string", default: "200" } } });
const tasks = Number(values.tasks);
if (!Number.isSafeInteger(tasks) || tasks < 3) throw new RangeError("--tasks: expected a number from 3");

/** Stands for Label Studio, which serves the media of its tasks. */
const studio = createServer((_, response) => response.end(video));
await new Promise<void>((resolve) => studio.listen(0, "127.0.0.1", resolve));
const server = await startSoakServer(createRandom(1), {
  MASKLET_ADAPTERS: "cvat,label-studio,x-anylabeling",
  MASKLET_LABEL_STUDIO_URL: `http://127.0.0.1:${(studio.address() as AddressInfo).port}`,
});
const frames = await drawFrames(join(server.temporary, "media", "frames"), clip);
const path = join(server.temporary, "media", "clip.webm");
encodeVideo(join(server.temporary, "media", "frames"), path);
const video = readFileSync(path);
const pictures = frames.map((name) => readFileSync(name).toString("base64"));

async function post(
  route: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<{ text: string; json: () => ReturnType<typeof JSON.parse> }> {
  const response = await fetch(server.http + route, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`${route}: ${response.status} ${response.statusText} ${text.slice(0, 200)}`);
  return { text, json: () => JSON.parse(text) };
}

const basic = (owner: string) => ({
  authorization: `Basic ${Buffer.from(`x:${server.key(owner)}`).toString("base64")}`,
});

const [cx, cy] = CIRCLE.at(0, clip);
const box = [cx - CIRCLE.half, cy - CIRCLE.half, cx + CIRCLE.half, cy + CIRCLE.half];

/** A box becomes a track. */
async function labelStudioTask(id: number): Promise<void> {
  const [x, y, size] = [
    (100 * (cx - CIRCLE.half)) / WIDTH,
    (100 * (cy - CIRCLE.half)) / HEIGHT,
    2 * CIRCLE.half,
  ];
  const keyframe = { frame: 1, x, y, width: (100 * size) / WIDTH, height: (100 * size) / HEIGHT };
  const region = {
    ...{ id: `r${id}`, type: "videorectangle", from_name: "box", to_name: "video" },
    value: {
      framesCount: clip.frames,
      labels: ["circle"],
      sequence: [{ ...keyframe, enabled: true, rotation: 0 }],
    },
  };
  const answer = await post(
    "/label-studio/predict",
    {
      tasks: [{ id, data: { video: `/data/${id}.webm` } }],
      project: "1.1",
      label_config: `<View><Labels name="label" toName="video"><Label value="circle"/></Labels>
        <Video name="video" value="$video" framerate="${FPS}"/><VideoRectangle name="box" toName="video"/></View>`,
      params: { context: { result: [region] } },
    },
    basic("anna"),
  );
  const [track] = answer.json().results[0].result;
  if (track.meta || track.value.sequence.length < 2)
    throw new Error(`Label Studio, task ${id}: ${JSON.stringify(track).slice(0, 300)}`);
}

/** A phrase is tracked through a folder. The window is closed without `cleanup`. */
async function xAnyLabelingTask(): Promise<void> {
  const token = { token: server.key("ben") };
  const common = { model: "masklet_video" };
  const { data } = (
    await post(
      "/x-anylabeling/v1/video/init",
      { ...common, frames: pictures.map((one) => `data:image/jpeg;base64,${one}`), start_frame_index: 0 },
      token,
    )
  ).json();
  const { session_id } = data;
  await post(
    "/x-anylabeling/v1/video/prompt",
    { ...common, session_id, text_prompt: "red circle", frame_index: 0 },
    token,
  );
  const { text } = await post("/x-anylabeling/v1/video/propagate/stream", { ...common, session_id }, token);
  if (!text.includes('"completed"')) throw new Error(`X-AnyLabeling: ${text.slice(-300)}`);
  // A share of eight sessions: what was left must end by itself first.
  await ended("ben", 6);
}

/** A box is followed through three pictures. */
async function cvatTask(): Promise<void> {
  const headers = { ...basic("carla"), "x-nuclio-function-name": "masklet-tracker" };
  const invoke = async (image: string | undefined, shapes: unknown[], states: string[]) =>
    (await post("/api/function_invocations", { image, shapes, states }, headers)).json();
  const { states } = await invoke(pictures[0], [{ type: "rectangle", points: box }], []);
  for (const image of pictures.slice(1, 4)) {
    const { shapes } = await invoke(image, [null], states);
    if (!shapes[0]) throw new Error("CVAT: the circle is lost");
  }
}

const sessionsOf = async (owner: string): Promise<number> => {
  const response = await fetch(`${server.http}/v1/sessions`, { headers: basic(owner) });
  return ((await response.json()) as { sessions: unknown[] }).sessions.length;
};

async function ended(owner: string, most: number): Promise<void> {
  while ((await sessionsOf(owner)) > most) await new Promise((resolve) => setTimeout(resolve, 500));
}

/** The masks of one video by a client of the protocol, as text. */
async function webSocketMasks(): Promise<string> {
  const client = await connect(`ws://127.0.0.1:${server.port}`, { key: server.key("david") });
  try {
    const session = await client.startSession({ resource_path: path });
    await session.addPrompt({ frame_index: 0, text: "red circle" });
    const masks: unknown[] = [];
    for await (const { outputs } of session.propagate({})) masks.push(outputs.out_binary_masks);
    await session.close();
    return JSON.stringify(masks);
  } finally {
    client.close();
  }
}

const mebibytes = ({ mainBytes, inferenceBytes }: Reading) =>
  `server ${Math.round(mainBytes / MIB)} MiB, inference ${Math.round(inferenceBytes / MIB)} MiB`;

/** Waits until no owner has a session, and reads what the server holds. */
async function settled({ pid, temporary }: SoakServer): Promise<Reading> {
  for (const owner of ["anna", "ben", "carla", "david"]) await ended(owner, 0);
  await new Promise((resolve) => setTimeout(resolve, SETTLING_MS));
  return read(pid, temporary);
}

const faults: string[] = [];
try {
  const expected = await webSocketMasks();
  await Promise.all([labelStudioTask(0), xAnyLabelingTask(), cvatTask()]);
  const before = await settled(server);
  console.log(`before: ${mebibytes(before)}`);
  let next = 1;
  let most = 0;
  const take = (task: (id: number) => Promise<void>) => async () => {
    for (let id = next++; id <= tasks; id = next++)
      await task(id).catch((error: Error) => faults.push(error.message));
  };
  let isOver = false;
  let videos = 0;
  const beside = (async () => {
    while (!isOver) {
      if ((await webSocketMasks()) !== expected) faults.push("The masks of the client differ.");
      videos++;
      const counts = await Promise.all(["anna", "ben", "carla"].map(sessionsOf));
      most = Math.max(most, ...counts);
    }
  })();
  await Promise.all([labelStudioTask, xAnyLabelingTask, cvatTask].map((task) => take(task)()));
  isOver = true;
  await beside;
  console.log(`after ${tasks} tasks: ${mebibytes(read(server.pid, server.temporary))}`);
  console.log(`${videos} videos of a client beside them; at most ${most} sessions of one tool`);
  const after = await settled(server);
  for (const { name, before: from, after: to, most: limit, hasReturned, why } of compare(before, after)) {
    console.log(`${hasReturned ? "  " : "! "}${name}: ${from} before, ${to} after, at most ${limit}: ${why}`);
    if (!hasReturned) faults.push(`${name} did not return`);
  }
  console.log(`settled: ${mebibytes(after)}`);
  if (server.hasEnded()) faults.push("The server has ended.");
} finally {
  await server.stop();
  studio.closeAllConnections();
  studio.close();
}
for (const fault of faults) console.log(`! ${fault}`);
console.log(faults.length === 0 ? "passed" : `failed: ${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;
