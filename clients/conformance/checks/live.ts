/** L: live sessions. */
import { type Check, check } from "../check.js";
import type { Lab, Session } from "../lab.js";
import { HEIGHT, picture, squareCentre, WIDTH } from "../media.js";
import type { Fields, Message } from "../probe.js";
import { expectSame, expectThat, NotTried } from "../verdicts.js";
import { maskPrompt } from "./common.js";

const live = (lab: Lab, fields: Fields = {}) => lab.session({ live: true, ...fields });

/** Pushes a frame and waits for its answer. */
async function pushed(lab: Lab, session: Session, bytes: Uint8Array, fields: Fields = {}): Promise<Message> {
  const id = lab.push(session, bytes, fields);
  return session.probe.first((one) => one.request_id === id, "the answer to push_frame");
}

export const liveChecks: Check[] = [
  check("the frames of a live session", "L-1 L-2 L-3 L-4 L-8 L-9 L-10 L-11 L-12", async (lab, verify) => {
    const session = await live(lab);
    const facts = () => session.ok({ type: "get_session" });
    const png = await picture(0);
    await verify("L-3", async () => {
      const { kind, width, height, num_frames } = session.start;
      expectSame([kind, width, height, num_frames], ["live", 0, 0, 0], "kind, width, height, num_frames");
    });
    const first = await pushed(lab, session, png);
    await verify("L-9", async () => {
      for (const format of ["jpeg", "webp"] as const)
        expectSame(
          (await pushed(lab, session, await picture(1, format))).type,
          "frame",
          `the answer to a ${format}`,
        );
    });
    await verify("L-12", () => {
      expectSame(
        [first.type, first.outputs?.out_obj_ids],
        ["frame", []],
        "the answer before the first prompt",
      );
    });
    await verify("L-2", async () => {
      const next = await pushed(lab, session, png);
      expectSame(
        [first.frame_index, next.frame_index],
        [0, 3],
        "frame_index of the first and the fourth frame",
      );
    });
    await verify("L-1", async () => {
      const { width, height, num_frames } = await facts();
      expectSame([width, height, num_frames], [WIDTH, HEIGHT, 4], "width, height, num_frames");
      const sized = await live(lab, { width: 48, height: 32 });
      const answer = await pushed(lab, sized, png);
      expectSame(answer.type, "error", "the answer to a frame of another size than start_session has");
    });
    await verify("L-11", async () => {
      const wrongSize = await pushed(lab, session, await picture(0, "png", [48, 32]));
      expectSame(wrongSize.type, "error", "the answer to a frame of another size");
      const noPicture = await pushed(lab, session, Buffer.from("no picture"));
      expectThat(
        ["media_unreadable", "media_unsupported"].includes(noPicture.error?.code),
        `the error of bytes that are no picture: ${noPicture.error?.code}`,
      );
      const next = await pushed(lab, session, png);
      expectSame(next.type, "frame", "the answer to the next frame");
      expectThat(next.frame_index > 3, "the number of a frame was used again");
    });
    await verify("L-4", async () => {
      lab.requirePrompt("masks");
      const { frame_index } = await session.ok({ ...maskPrompt(0, 0), frame_index: "latest" });
      const last = ((await facts()).num_frames as number) - 1;
      expectSame(frame_index, last, "frame_index of latest");
      await session.ok(maskPrompt(1, 0));
      await session.fails(maskPrompt(last + 50, 0), "frame_out_of_range", "frame_index");
    });
    await verify("L-10", async () => {
      const ids = await Promise.all(
        [0, 1, 2, 3].map(async (index) => lab.push(session, await picture(index, "jpeg"))),
      );
      for (const id of ids) await session.probe.first((one) => one.request_id === id, "an answer");
      await session.probe.settled();
      const counts = ids.map((id) => session.probe.received.filter((one) => one.request_id === id).length);
      expectSame(counts, [1, 1, 1, 1], "answers per frame");
    });
    await verify("L-8", async () => {
      await session.fails({ type: "propagate_in_video", propagation_direction: "backward" }, [
        "wrong_session_kind",
        "invalid_field",
      ]);
    });
  }),

  check("prompts of live sessions", "L-6 L-7 L-13 L-14 L-15", async (lab, verify) => {
    lab.requirePrompt("points");
    const session = await live(lab);
    const { probe } = session;
    const jpeg = await picture(0, "jpeg");
    await pushed(lab, session, jpeg);
    await verify("L-13", async () => {
      const prompt = probe.send({
        type: "add_prompt",
        session_id: session.id,
        frame_index: "latest",
        obj_id: 0,
        points: [squareCentre(0)],
        point_labels: [1],
      });
      const frame = lab.push(session, jpeg);
      const answered = await probe.first((one) => one.request_id === frame, "the frame");
      const prompted = await probe.answerTo(prompt);
      expectThat(
        prompted.seq < answered.seq,
        "a frame was answered before the request that was sent before it",
      );
      const states = answered.outputs?.out_states as Message[];
      expectSame(
        states?.map(({ obj_id }) => obj_id),
        [0],
        "the objects of the next frame",
      );
    });
    await verify("L-6", async () => {
      await session.ok({ type: "remove_object", obj_id: 0 });
      expectSame(
        (await pushed(lab, session, jpeg)).outputs?.out_states,
        [],
        "the objects after remove_object",
      );
    });
    await verify("L-7", async () => {
      const { frame_index } = await pushed(lab, session, jpeg);
      const next = await pushed(lab, session, jpeg);
      expectSame(next.frame_index, frame_index + 1, "a frame is answered before the next one is pushed");
    });
    await verify("L-14", async () => {
      const ids = Array.from({ length: 12 }, () => lab.push(session, jpeg));
      const answers = [];
      for (const id of ids) answers.push(await probe.first((one) => one.request_id === id, "an answer"));
      expectSame(
        answers.map(({ type }) => type),
        ids.map(() => "frame"),
        "the answers without dropping",
      );
    });
    await verify("L-15", async () => {
      const dropping = await live(lab, { drop: "oldest" });
      await pushed(lab, dropping, jpeg);
      await dropping.ok({
        type: "add_prompt",
        frame_index: "latest",
        obj_id: 0,
        points: [squareCentre(0)],
        point_labels: [1],
      });
      const ids = Array.from({ length: 12 }, () => lab.push(dropping, jpeg));
      const answers = [];
      for (const id of ids)
        answers.push(await dropping.probe.first((one) => one.request_id === id, "an answer"));
      const types = answers.map(({ type }) => type as string);
      expectThat(
        types.every((type) => ["frame", "frame_dropped"].includes(type)),
        `the answers: ${types}`,
      );
      expectSame(types.at(-1), "frame", "the answer to the last frame");
      if (!types.includes("frame_dropped"))
        throw new NotTried("the server tracked every frame before the next one arrived");
    });
  }),

  check("frames that a live session keeps", "L-5", async (lab, verify) => {
    await verify("L-5", async () => {
      const kept = lab.requireLimit("liveFramesKept", 512);
      lab.requirePrompt("masks");
      const session = await live(lab);
      const jpeg = await picture(0, "jpeg", [32, 32]);
      let last: Message = {};
      for (let pushes = 0; pushes < kept + 2; pushes += 16) {
        const ids = Array.from({ length: 16 }, () => lab.push(session, jpeg));
        for (const id of ids) last = await session.probe.first((one) => one.request_id === id, "an answer");
      }
      await session.fails(maskPrompt(0, 0, [1, 1, 20, 1, 20, 20]), "frame_out_of_range", "frame_index");
      await session.ok(maskPrompt(last.frame_index, 0, [1, 1, 20, 1, 20, 20]));
    });
  }),

  check("cameras", "L-16", async (lab, verify) => {
    await verify("L-16", async () => {
      const { probe } = lab;
      for (const camera_url of ["rtsp://192.0.2.1/stream", "http://conformance.invalid/mjpeg"])
        await probe.fails({ type: "start_session", camera_url }, "camera_forbidden", "camera_url");
      await probe.fails(
        { type: "start_session", camera_url: "file:///etc/hostname" },
        ["camera_forbidden", "invalid_field"],
        "camera_url",
      );
    });
  }),
];
