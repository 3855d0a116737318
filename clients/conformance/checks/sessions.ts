/** S: sessions and pictures. */
import { check } from "../check.js";
import type { Lab } from "../lab.js";
import { animation, DAMAGED, picture } from "../media.js";
import type { Message } from "../probe.js";
import { expectSame, expectThat } from "../verdicts.js";
import {
  clipUpload,
  indicesOf,
  markedSession,
  maskPrompt,
  pause,
  pictureArchive,
  pictureSession,
  pictureUpload,
  videoSession,
} from "./common.js";

const namesOf = (list: Message[] = []) => list.map(({ name }) => name as string);

async function timesOf(lab: Lab, bytes: Uint8Array): Promise<number[]> {
  lab.requirePrompt("masks");
  const { upload_id, kind } = await lab.upload(bytes);
  expectSame(kind, "video", "kind");
  const session = await lab.session({ upload_id });
  await session.ok(maskPrompt(0, 0));
  const { frames } = await session.stream({ propagation_direction: "forward", start_frame_index: 0 });
  return frames.map((one) => one.timestamp_us);
}

export const sessionChecks = [
  check("starting a session", "S-4 S-5 S-6", async (lab, verify) => {
    const probe = await lab.connect();
    await verify("S-4", async () => {
      await probe.fails({ type: "start_session" }, "missing_field", "resource_path");
      const upload_id = await pictureUpload(lab);
      await probe.fails({ type: "start_session", upload_id, live: true }, "invalid_field");
      await probe.fails({ type: "start_session", upload_id, resource_path: "a.mp4" }, "invalid_field");
    });
    await verify("S-5", async () =>
      expectSame((await pictureSession(lab)).start.seq, 1, "seq of the answer to start_session"),
    );
    await verify("S-6", async () => {
      const session_token = `conformance-${Math.random().toString(36).slice(2).padEnd(24, "x")}`;
      const lost = await lab.connect();
      lost.send({ type: "start_session", upload_id: await clipUpload(lab), session_token });
      await pause(30);
      lost.drop();
      for (let tries = 0; ; tries++) {
        const answer = await probe.ask({ type: "attach_session", session_token });
        if (answer.type === "response") {
          await probe.ok({ type: "close_session", session_id: answer.session_id });
          return;
        }
        expectThat(tries < 40, `no session has the token of a lost start: ${answer.error?.code}`);
        await pause(100);
      }
    });
  }),

  check("folders of pictures", "S-7 S-8 S-9 S-10 S-11 S-12", async (lab, verify) => {
    await verify("S-7", async () => {
      const formats = ["png", "jpeg", "webp", "gif", "tiff"] as const;
      const archive = await pictureArchive(formats, (_name, index) => picture(0, formats[index]));
      const facts = await lab.upload(archive);
      expectSame(
        [facts.kind, facts.num_frames],
        ["frames", formats.length],
        "kind and frames of five formats",
      );
      const { start } = await lab.session({ upload_id: facts.upload_id });
      expectSame([start.fps, start.duration_s], [null, null], "fps and duration_s");
    });
    await verify("S-8", async () => {
      const facts = await lab.upload(await pictureArchive(["a.txt", "b.mp4", "c"]));
      expectSame(facts.num_frames, 3, "pictures with other names");
    });
    await verify("S-9", async () => {
      const facts = await lab.upload(
        await pictureArchive(["10.png", "2.png", "b/1.png", "A3.png", "a20.png", "1.png"]),
      );
      expectSame(
        facts.taken,
        ["1.png", "2.png", "10.png", "A3.png", "a20.png", "b/1.png"],
        "the order of the frames",
      );
    });
    await verify("S-10", async () => {
      const archive = await pictureArchive(["1.png", "2.png"], (_name, index) =>
        picture(0, "png", index ? [48, 32] : [96, 64]),
      );
      const answer = await lab.http("/v1/uploads", { method: "POST", body: archive });
      expectThat(answer.status >= 400, `pictures of two sizes got ${answer.status}`);
      expectThat(
        ["media_unsupported", "media_unreadable"].includes(answer.body.error?.code),
        `pictures of two sizes got ${answer.body.error?.code}`,
      );
    });
    await verify("S-11", async () => {
      const archive = await pictureArchive(["1.png", "notes.txt", ".hidden.png"], async (name) =>
        name === "notes.txt" ? Buffer.from("notes") : picture(0),
      );
      const facts = await lab.upload(archive);
      expectSame([facts.num_frames, facts.left_out_count], [1, 2], "frames and files that are left out");
      expectSame(namesOf(facts.left_out).sort(), [".hidden.png", "notes.txt"], "left_out");
      expectThat(
        (facts.left_out as Message[]).every(({ reason }) => typeof reason === "string" && reason !== ""),
        "every file that is left out has a reason",
      );
    });
    await verify("S-12", async () => {
      const archive = await pictureArchive(["1.png", "2.gif"], (name) =>
        name === "2.gif" ? animation("gif", [100, 100, 100]) : picture(0),
      );
      expectSame((await lab.upload(archive)).num_frames, 2, "frames of a picture and an animation");
    });
  }),

  check("damaged pictures of folders", "S-13 S-14", async (lab, verify) => {
    lab.requirePrompt("masks");
    const archive = await pictureArchive(["1.png", "2.png", "3.jpg", "4.webp", "5.png"], async (name) =>
      name === "3.jpg" ? new Uint8Array(0) : name === "4.webp" ? DAMAGED : picture(0),
    );
    const { upload_id, num_frames } = await lab.upload(archive);
    await verify("S-14", () =>
      expectSame(num_frames, 5, "frames with an empty file and one of no known format"),
    );
    await verify("S-13", async () => {
      const session = await lab.session({ upload_id });
      await session.ok(maskPrompt(0, 0));
      const { frames } = await session.stream({ propagation_direction: "forward", start_frame_index: 0 });
      expectSame(indicesOf(frames), [0, 1, 2, 3, 4], "the frames");
      expectSame(indicesOf(frames.filter(({ damaged }) => damaged)), [2, 3], "the damaged frames");
    });
  }),

  check("animated pictures", "S-15 S-16", async (lab, verify) => {
    await verify("S-15", async () => {
      const facts = await lab.upload(await animation("webp", [100, 100, 100]));
      expectSame([facts.kind, facts.num_frames], ["video", 3], "kind and frames of an animated WebP");
    });
    await verify("S-16", async () => {
      expectSame(
        await timesOf(lab, await animation("gif", [10, 200, 50])),
        [0, 100_000, 300_000],
        "the times",
      );
    });
  }),

  check("the policy of a session", "S-18", async (lab, verify) => {
    await verify("S-18", async () => {
      lab.requirePrompt("text");
      const session = await videoSession(lab, { policy: { max_num_concepts: 1 } });
      await session.ok({ type: "add_prompt", frame_index: 0, text: "red square" });
      await session.fails({ type: "add_prompt", frame_index: 0, text: "green square" }, "concept_limit");
      const upload_id = await pictureUpload(lab);
      const wrong = (policy: object) =>
        lab.probe.fails(
          { type: "start_session", upload_id, policy },
          ["invalid_field", "unknown_field"],
          "policy",
        );
      await wrong({ new_det_thresh: 2 });
      await wrong({ no_such_policy: 1 });
    });
  }),

  check("reset and close", "S-19 S-20 S-21 S-22 S-23", async (lab, verify) => {
    const session = await markedSession(lab);
    await verify("S-23", async () => {
      const facts = await session.ok({ type: "get_session" });
      expectSame(facts.obj_ids, [0, 1], "obj_ids");
      expectSame(
        [facts.width, facts.num_frames, facts.propagating],
        [96, 10, false],
        "width, num_frames, propagating",
      );
      expectSame(facts.can_undo, true, "can_undo");
    });
    await verify("S-19", async () => {
      const { probe, id } = session;
      const stream = probe.send({ type: "propagate_in_video", session_id: id, window: 1 });
      await probe.first((one) => one.type === "frame" && one.request_id === stream, "a frame");
      await session.ok({ type: "reset_session" });
      const { end } = await probe.streamOf(stream);
      expectSame([end.type, end.cancelled], ["done", true], "the end of the stream");
      const facts = await session.ok({ type: "get_session" });
      expectSame(
        [facts.obj_ids, facts.concepts, facts.propagating],
        [[], [], false],
        "the state after reset_session",
      );
      expectSame(facts.num_frames, 10, "num_frames");
    });
    await verify("S-20", async () => {
      const { mask } = maskPrompt(0, 0);
      const { obj_id } = await session.ok({ type: "add_prompt", frame_index: 0, mask });
      expectSame(obj_id, 0, "the first id after reset_session");
    });
    await verify("S-21", async () => {
      const { probe, id } = session;
      const stream = probe.send({ type: "propagate_in_video", session_id: id, window: 1 });
      await probe.first((one) => one.type === "frame" && one.request_id === stream, "a frame");
      await session.ok({ type: "close_session" });
      const { end } = await probe.streamOf(stream);
      expectThat(["done", "error"].includes(end.type), "the stream ended");
      await session.fails({ type: "get_session" }, "session_not_found");
    });
    await verify("S-22", async () => {
      await session.ok({ type: "close_session" });
      await lab.probe.ok({ type: "close_session", session_id: "conformance-never-started" });
    });
  }),
];
