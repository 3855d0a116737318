/** T: propagations, streams and flow control. */
import { type Check, check } from "../check.js";
import type { Session } from "../lab.js";
import type { Fields, Message } from "../probe.js";
import { expectSame, expectThat } from "../verdicts.js";
import {
  FRAMES,
  indicesOf,
  markedSession,
  markFrames,
  maskPrompt,
  pause,
  rleOf,
  storedFrames,
  videoSession,
} from "./common.js";

const forward = { propagation_direction: "forward", start_frame_index: 0 };
const range = (from: number, to: number) =>
  Array.from({ length: Math.abs(to - from) + 1 }, (_, index) => (to < from ? from - index : from + index));

/** Starts a stream with a window and waits for its first frames. */
async function windowed(session: Session, window: number, fields: Fields = {}): Promise<string> {
  const { probe, id } = session;
  const stream = probe.send({ type: "propagate_in_video", session_id: id, ...forward, window, ...fields });
  await probe.until(() => (probe.framesOf(stream).length >= window ? true : undefined), `${window} frames`);
  return stream;
}

const acknowledge = ({ probe }: Session, request_id: string, num_frames: number) =>
  probe.sendRaw(JSON.stringify({ type: "ack", request_id, num_frames }));

export const streamChecks: Check[] = [
  check("ranges", "T-1 T-3 T-6", async (lab, verify) => {
    lab.requirePrompt("masks");
    const session = await videoSession(lab);
    await session.ok(maskPrompt(3, 0));
    await verify("T-3", async () => {
      const { frames } = await session.stream({ propagation_direction: "forward" });
      expectSame(indicesOf(frames), range(3, 9), "the frames from the smallest prompted one");
    });
    await verify("T-1", async () => {
      const frames = async (fields: Fields) => indicesOf((await session.stream(fields)).frames);
      expectSame(
        await frames({ propagation_direction: "forward", start_frame_index: 3, max_frame_num_to_track: 2 }),
        [3, 4, 5],
        "forward",
      );
      expectSame(
        await frames({ propagation_direction: "backward", start_frame_index: 3, max_frame_num_to_track: 2 }),
        [2, 1],
        "backward",
      );
      expectSame(
        await frames({ propagation_direction: "both", start_frame_index: 3 }),
        [...range(3, 9), 2, 1, 0],
        "both",
      );
      await session.fails(
        { type: "propagate_in_video", start_frame_index: FRAMES },
        "frame_out_of_range",
        "start_frame_index",
      );
    });
    await verify("T-6", async () => {
      const policy = { hotstart_delay: 4, hotstart_unmatch_thresh: 2, hotstart_dup_thresh: 2 };
      const delayed = await videoSession(lab, { policy });
      await delayed.ok(maskPrompt(0, 0));
      const { frames, end } = await delayed.stream(forward);
      expectSame([indicesOf(frames), end.num_frames], [range(0, 9), FRAMES], "frames with a hotstart_delay");
    });
  }),

  check("scopes", "T-4", async (lab, verify) => {
    await verify("T-4", async () => {
      lab.requirePrompt("masks");
      const session = await videoSession(lab);
      await session.ok(maskPrompt(0, 0));
      const computed = await session.stream(forward);
      const stored = await storedFrames(session);
      expectSame([...stored.keys()], range(0, 9), "the stored frames");
      for (const frame of computed.frames)
        expectSame(
          rleOf(stored.get(frame.frame_index)?.outputs, 0) ?? null,
          rleOf(frame.outputs, 0) ?? null,
          `the stored mask of frame ${frame.frame_index}`,
        );
      expectSame(
        indicesOf((await session.stream({ scope: "affected" })).frames),
        [],
        "frames that edits affected",
      );
      await session.ok({ type: "mark_absent", obj_id: 0, first_frame_index: 4, last_frame_index: 5 });
      const affected = indicesOf((await session.stream({ scope: "affected" })).frames);
      expectSame(
        affected.filter((one, at) => affected.indexOf(one) !== at),
        [],
        "repeated frames",
      );
    });
  }),

  check("some objects", "T-23", async (lab, verify) => {
    lab.requirePrompt("masks");
    const session = await videoSession(lab);
    await session.ok(maskPrompt(0, 0));
    await session.ok(maskPrompt(0, 1));
    const onlyFirst = { ...forward, obj_ids: [0] };
    await verify("T-23", async () => {
      const idsOf = ({ outputs }: Message): number[] => outputs.out_obj_ids;
      const { frames } = await session.stream(onlyFirst);
      expectSame(
        frames.slice(1).flatMap(idsOf).includes(1),
        false,
        "object 1 on frames that were never computed",
      );
      const { frames: affected } = await session.stream({ scope: "affected" });
      expectSame(indicesOf(affected).length, FRAMES - 1, "frames that are stale for object 1");
      const before = await storedFrames(session);
      const { frames: again } = await session.stream(onlyFirst);
      const after = await storedFrames(session);
      expectSame(indicesOf(again), range(0, 9), "the frames");
      for (const { frame_index: frame, outputs } of again) {
        const kept = rleOf(before.get(frame)?.outputs, 1) ?? null;
        expectSame(rleOf(outputs, 1) ?? null, kept, `the mask of object 1 that frame ${frame} contains`);
        expectSame(
          rleOf(after.get(frame)?.outputs, 1) ?? null,
          kept,
          `the stored mask of object 1 on frame ${frame}`,
        );
      }
      const { frames: read } = await session.stream({ ...onlyFirst, scope: "stored" });
      expectSame([...new Set(read.flatMap(idsOf))], [0], "objects of the scope stored");
      const propagation = { type: "propagate_in_video", ...forward };
      await session.fails({ ...propagation, obj_ids: [7] }, "object_not_found", "obj_ids");
      await session.fails({ ...propagation, obj_ids: [] }, "invalid_field", "obj_ids");
      await session.fails({ ...propagation, obj_ids: [0], scope: "affected" }, "invalid_field", "obj_ids");
    });
  }),

  check("cancelling", "T-8 T-9 T-10", async (lab, verify) => {
    lab.requirePrompt("masks");
    const session = await videoSession(lab);
    await markFrames(session, [0]);
    await verify("T-10", async () => void (await session.ok({ type: "cancel_propagation" })));
    const stream = await windowed(session, 3);
    await verify("T-8", async () => {
      await session.ok({ type: "cancel_propagation" });
      const { end, frames } = await session.probe.streamOf(stream);
      expectSame(
        [end.type, end.cancelled, end.num_frames],
        ["done", true, frames.length],
        "the end of the stream",
      );
      expectThat(frames.length < FRAMES, "a cancelled stream sent every frame");
    });
    await verify("T-9", async () => {
      const stored = await storedFrames(session);
      expectThat(
        [0, 1, 2].every((frame) => stored.has(frame)),
        `stored frames after a cancelled stream: ${[...stored.keys()]}`,
      );
      expectSame((await session.stream(forward)).frames.length, FRAMES, "frames of a later propagation");
    });
  }),

  check("a reader that stops reading", "T-14", async (lab, verify) => {
    await verify("T-14", async () => {
      const session = await markedSession(lab);
      session.probe.socket.pause();
      const stream = session.probe.send({ type: "propagate_in_video", session_id: session.id, ...forward });
      await pause(1500);
      session.probe.socket.resume();
      const { frames } = await session.probe.streamOf(stream);
      expectSame(indicesOf(frames), range(0, 9), "the frames");
    });
  }),

  check("windows and acknowledgements", "T-15 T-16 T-17 T-18 T-19 T-20 T-21", async (lab, verify) => {
    const session = await markedSession(lab);
    const { probe } = session;
    let stream = await windowed(session, 2);
    const count = () => probe.framesOf(stream).length;
    await verify("T-15", async () => {
      await pause(700);
      expectSame(count(), 2, "frames without an ack");
      acknowledge(session, stream, 1);
      await probe.until(() => (count() === 3 ? true : undefined), "one more frame");
      await pause(300);
      expectSame(count(), 3, "frames after an ack of one");
    });
    await verify("T-16", async () => {
      acknowledge(session, stream, 1);
      acknowledge(session, stream, 0);
      await pause(300);
      expectSame(count(), 3, "frames after repeated and old acks");
      acknowledge(session, stream, 3);
      await probe.until(() => (count() === 5 ? true : undefined), "two more frames");
    });
    await verify("T-18", async () => {
      const before = probe.received.length;
      acknowledge(session, stream, 3);
      await probe.settled();
      expectSame(
        probe.received.slice(before).map(({ type }) => type),
        ["response"],
        "messages after an ack",
      );
    });
    await verify("T-19", async () => {
      const refuse = async (fields: Fields, field: string) => {
        const before = probe.received.length;
        probe.sendRaw(JSON.stringify({ type: "ack", ...fields }));
        const answer = await probe.until(() => probe.received[before], "an error");
        expectSame(
          [answer.type, answer.request_id, answer.error?.field],
          ["error", null, field],
          `the answer to ${JSON.stringify(fields)}`,
        );
      };
      await refuse({ request_id: stream, num_frames: 99 }, "num_frames");
      await refuse({ request_id: "no stream", num_frames: 1 }, "request_id");
      await refuse({ request_id: stream }, "num_frames");
      expectSame(
        (await session.ok({ type: "get_session" })).propagating,
        true,
        "propagating after invalid acks",
      );
    });
    await verify("T-21", async () => {
      await session.ok({ type: "list_suspects" });
      await session.ok({ type: "cancel_propagation" });
      expectSame((await probe.streamOf(stream)).end.cancelled, true, "cancelled");
    });
    await verify("T-20", async () => {
      const before = probe.received.length;
      acknowledge(session, stream, 5);
      await probe.settled();
      expectSame(
        probe.received.slice(before).map(({ type }) => type),
        ["response"],
        "messages after a late ack",
      );
    });
    await verify("T-17", async () => {
      stream = await windowed(session, FRAMES);
      const { end } = await probe.streamOf(stream);
      expectSame([end.type, end.cancelled], ["done", false], "the end of a stream without an ack");
    });
  }),
];
