/** Four owners at work beside everything else: their masks must be those of an undisturbed run. */
import { createHash } from "node:crypto";
import { clip, HEIGHT, squareBox, squareCentre, WIDTH } from "../../clients/conformance/media.js";
import type { Tally } from "./report.js";
import { OWNERS, type SoakServer } from "./server.js";
import { pause, type Task } from "./task.js";
import { type Answer, http, SoakWire } from "./wire.js";

const FRAMES = 12;
/** Between two jobs of an owner: the others share the processor with them. */
const PAUSE_MS = 3000;
/** Another seed of work for each owner: the box that it prompts. */
const shift = (owner: number) => owner * 0.01;

/** Errors that an owner may get while inference processes are killed; it tries again. */
const RETRIED = new Set([
  "engine_restarted",
  "engine_unavailable",
  "session_not_found",
  "server_busy",
  "session_limit",
  "server_overloaded",
]);

export class Retry extends Error {}

function checked(answer: Answer): Answer {
  if (!answer.error) return answer;
  const { code, message } = answer.error;
  if (RETRIED.has(code)) throw new Retry(code);
  throw new Error(`${code}: ${message}`);
}

/** One job: a session, two objects, a pass over all frames, clicks. Returns a hash of every mask. */
async function work(wire: SoakWire, owner: number, upload_id: string, tally: Tally): Promise<string> {
  const hash = createHash("sha256");
  const { session_id } = checked(await wire.ask({ type: "start_session", upload_id }));
  try {
    const [x, y, w, h] = squareBox(0);
    const box = [x + shift(owner), y, w, h];
    const add = (answer: Answer) => hash.update(JSON.stringify(answer.outputs ?? answer.masks));
    add(
      checked(
        await wire.ask({ type: "add_prompt", session_id, frame_index: 0, obj_id: 0, bounding_boxes: [box] }),
      ),
    );
    add(
      checked(
        await wire.ask({
          type: "add_prompt",
          session_id,
          frame_index: 0,
          obj_id: 1,
          points: [[20 / WIDTH, 54 / HEIGHT]],
          point_labels: [1],
        }),
      ),
    );
    let last = performance.now();
    wire.onMessage = (message) => {
      if (message.type !== "frame" || message.session_id !== session_id) return;
      tally.time("frame", performance.now() - last);
      last = performance.now();
      hash.update(JSON.stringify([message.frame_index, message.outputs]));
    };
    const done = checked(
      await wire.ask({
        type: "propagate_in_video",
        session_id,
        propagation_direction: "forward",
        start_frame_index: 0,
      }),
    );
    if (done.num_frames !== FRAMES) throw new Error(`a stream had ${done.num_frames} of ${FRAMES} frames`);
    for (let frame = 0; frame < 4; frame++) {
      const start = performance.now();
      const predicted = checked(
        await wire.ask({
          type: "predict",
          session_id,
          frame_index: frame,
          point_coords: [[squareCentre(frame)]],
          point_labels: [[1]],
          return_low_res_masks: false,
        }),
      );
      tally.time("click", performance.now() - start);
      add(predicted);
    }
    return hash.digest("hex");
  } finally {
    wire.onMessage = () => {};
    if (wire.closeCode === undefined) await wire.ask({ type: "close_session", session_id }).catch(() => {});
  }
}

const uploads = new Map<string, string>();

async function uploadOf(server: SoakServer, owner: string, isNew: boolean): Promise<string> {
  const known = uploads.get(owner);
  if (known && !isNew) return known;
  const bytes = await clip(FRAMES);
  const { status, body } = await http({ http: server.http, key: server.key(owner) }, "/v1/uploads", {
    method: "POST",
    body: bytes,
  });
  if (status !== 201) throw new Error(`an upload of ${owner} got ${status} ${body.error?.code}`);
  uploads.set(owner, body.upload_id);
  return body.upload_id;
}

/** The hashes of an undisturbed run, by owner. */
export async function undisturbed(server: SoakServer, tally: Tally): Promise<string[]> {
  const hashes: string[] = [];
  for (const [index, owner] of OWNERS.entries()) {
    const wire = await SoakWire.open({ socket: server.socket, key: server.key(owner) });
    // The first job of a process includes its compilation.
    await work(
      wire,
      index,
      await uploadOf(server, owner, false),
      new (tally.constructor as new (n: string) => Tally)("warm up"),
    );
    hashes.push(await work(wire, index, await uploadOf(server, owner, false), tally));
    await wire.close();
  }
  return hashes;
}

/** Works until the other tasks are done and the minutes have passed. */
export const ownersTask =
  (expected: readonly string[]): Task =>
  async ({ server, tally, options, progress, isDone }) => {
    const end = Date.now() + options.minutes * 60_000;
    await Promise.all(
      OWNERS.map(async (owner, index) => {
        let wire: SoakWire | undefined;
        let isNewUpload = false;
        while (!isDone() || Date.now() < end) {
          try {
            if (wire?.closeCode !== undefined) {
              tally.count("lost connections");
              wire = undefined;
            }
            wire ??= await SoakWire.open({ socket: server.socket, key: server.key(owner) });
            const hash = await work(wire, index, await uploadOf(server, owner, isNewUpload), tally);
            isNewUpload = false;
            tally.count("jobs");
            progress.step(owner);
            if (hash !== expected[index]) tally.fault(`${owner} got other masks than undisturbed`);
            await pause(PAUSE_MS);
          } catch (error) {
            const { message } = error as Error;
            if (error instanceof Retry) {
              tally.count(message);
              await pause(500);
            } else if (/upload_not_found/.test(message)) {
              // It expires while no session uses it.
              tally.count("uploads again");
              isNewUpload = true;
            } else {
              tally.fault(`${owner}: ${message}`);
              await pause(500);
            }
          }
        }
        await wire?.close();
      }),
    );
    for (const owner of OWNERS)
      await http({ http: server.http, key: server.key(owner) }, `/v1/uploads/${uploads.get(owner)}`, {
        method: "DELETE",
      });
  };
