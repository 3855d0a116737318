/** E: edits and undo. */
import { uniteMasks } from "../../../protocol/index.js";
import { type Check, check } from "../check.js";
import type { Session } from "../lab.js";
import { otherPolygon, squarePolygon } from "../media.js";
import type { Fields, Message } from "../probe.js";
import { expectSame, expectThat } from "../verdicts.js";
import {
  FRAMES,
  indicesOf,
  markedSession,
  markFrames,
  maskPrompt,
  rleOf,
  storedFrames,
  videoSession,
} from "./common.js";

const frames = (first: number, last: number): Fields => ({
  first_frame_index: first,
  last_frame_index: last,
});
const facts = (session: Session) => session.ok({ type: "get_session" });
const objectOf = async (session: Session, objId: number): Promise<Message> =>
  ((await facts(session)).objects as Message[]).find(({ obj_id }) => obj_id === objId) ?? {};
/** All stored masks, for comparisons. */
const masksOf = async (session: Session): Promise<unknown> =>
  [...(await storedFrames(session)).values()].map(({ frame_index, outputs }) => [
    frame_index,
    outputs.out_obj_ids,
    outputs.out_binary_masks,
  ]);

export const editChecks: Check[] = [
  check("removing an object", "E-1 E-29", async (lab, verify) => {
    const session = await markedSession(lab);
    let answer: Message = {};
    await verify("E-1", async () => {
      answer = await session.ok({ type: "remove_object", obj_id: 1, frame_index: 2 });
      expectSame(
        [answer.is_success, answer.frame_index, answer.outputs.out_obj_ids],
        [true, 2, [0]],
        "the answer",
      );
      for (const [index, { outputs }] of await storedFrames(session))
        expectSame(outputs.out_obj_ids, [0], `the objects of frame ${index}`);
      await session.fails({ type: "remove_object", obj_id: 1 }, "object_not_found", "obj_id");
    });
    await verify("E-29", async () => {
      const answers = [
        answer,
        await session.ok({ type: "undo" }),
        await session.ok({ type: "redo" }),
        await session.ok(maskPrompt(3, 0)),
        await session.ok({ type: "rename", obj_id: 0, name: "one" }),
        await session.ok({ type: "lock_frames", obj_id: 0, ...frames(1, 2) }),
        await session.ok({ type: "mark_absent", obj_id: 0, ...frames(8, 9) }),
      ];
      for (const { affected } of answers) {
        expectThat(Array.isArray(affected), "affected is not a list");
        for (const { first_frame_index: first, last_frame_index: last } of affected)
          expectThat(first >= 0 && first <= last && last < FRAMES, `the range ${first} to ${last}`);
      }
    });
  }),

  check("undo and redo", "E-2 E-4 E-5 E-6 E-7 E-8", async (lab, verify) => {
    const session = await markedSession(lab);
    await session.ok({ type: "rename", obj_id: 0, name: "one" });
    const before = [await masksOf(session), (await facts(session)).objects];
    await session.ok({ type: "remove_object", obj_id: 0 });
    const undone = await session.ok({ type: "undo" });
    await verify("E-2", () => {
      expectSame(undone.edit, "remove_object", "edit");
      expectSame([undone.can_undo, undone.can_redo], [true, true], "can_undo, can_redo");
    });
    await verify("E-5", async () =>
      expectSame([await masksOf(session), (await facts(session)).objects], before, "the state after undo"),
    );
    await verify("E-7", async () => {
      expectSame((await session.ok({ type: "redo" })).edit, "remove_object", "edit");
      expectSame((await facts(session)).obj_ids, [1], "obj_ids after redo");
      await session.fails({ type: "redo" }, "nothing_to_undo");
    });
    await verify("E-8", async () => {
      await session.ok({ type: "undo" });
      await session.ok({ type: "rename", obj_id: 1, name: "two" });
      await session.fails({ type: "redo" }, "nothing_to_undo");
    });
    await verify("E-6", async () => {
      const { probe, id } = session;
      const stream = probe.send({ type: "propagate_in_video", session_id: id, window: 1 });
      await probe.first((one) => one.type === "frame" && one.request_id === stream, "a frame");
      await session.ok({ type: "undo" });
      const { end } = await probe.streamOf(stream);
      expectSame([end.type, end.cancelled], ["done", true], "the end of the stream");
    });
    await verify("E-4", async () => {
      await session.ok({ type: "reset_session" });
      await session.fails({ type: "undo" }, "nothing_to_undo");
    });
  }),

  check("the number of edits that are kept", "E-3", async (lab, verify) => {
    await verify("E-3", async () => {
      lab.requirePrompt("masks");
      const session = await videoSession(lab);
      await session.ok(maskPrompt(0, 0));
      for (let edit = 0; edit < 101; edit++)
        await session.ok({ type: "rename", obj_id: 0, name: `name ${edit}` });
      for (let edit = 0; edit < 100; edit++) await session.ok({ type: "undo" });
      await session.fails({ type: "undo" }, "nothing_to_undo");
      expectSame((await objectOf(session, 0)).name, "name 0", "the name after a hundred undos");
    });
  }),

  check("edits that are refused", "E-9 E-10 E-12 E-13 E-18 E-23", async (lab, verify) => {
    lab.requirePrompt("masks");
    const session = await videoSession(lab);
    const { probe, id } = session;
    await markFrames(session, [0, 1]);
    const before = async () => [
      await facts(session).then(({ objects, obj_ids }) => [objects, obj_ids]),
      await masksOf(session),
    ];
    const state = await before();
    await verify("E-12", async () => {
      await session.fails({ type: "lock_frames", obj_id: 0, ...frames(0, 5) }, "mask_not_found");
      await session.fails({ type: "lock_frames", ...frames(4, 5) }, "mask_not_found");
    });
    await verify("E-23", async () => {
      await session.fails({ type: "split_object", obj_id: 0, frame_index: 5 }, "mask_not_found");
    });
    await verify("E-10", async () => {
      await session.fails({ type: "merge_objects", obj_id: 0, other_obj_ids: [1, 99] }, "object_not_found");
      await session.fails({ type: "lock_frames", obj_id: 0, ...frames(1, 0) }, "invalid_field");
      await session.fails({ type: "mark_absent", obj_id: 0, ...frames(0, FRAMES) }, "frame_out_of_range");
      expectSame(await before(), state, "the state after edits that failed");
    });
    await verify("E-13", async () => {
      await session.ok({ type: "lock_frames", obj_id: 0, ...frames(0, 0) });
      await session.fails(maskPrompt(0, 0), "invalid_field", "frame_index");
      await session.ok(maskPrompt(0, 1, otherPolygon(0)));
    });
    await verify("E-18", async () => {
      await session.fails({ type: "mark_absent", obj_id: 0, ...frames(0, 1) }, "invalid_field");
      await session.ok({ type: "lock_frames", obj_id: 0, ...frames(0, 0), locked: false });
      await session.ok(maskPrompt(0, 0));
    });
    await verify("E-9", async () => {
      const stream = probe.send({
        type: "propagate_in_video",
        session_id: id,
        propagation_direction: "forward",
        window: 1,
      });
      await probe.first((one) => one.type === "frame" && one.request_id === stream, "a frame");
      await session.fails({ type: "lock_frames", obj_id: 0, ...frames(0, 0) }, "propagation_in_progress");
      await session.fails({ type: "mark_absent", obj_id: 0, ...frames(0, 0) }, "propagation_in_progress");
      await session.fails(
        { type: "swap_objects", obj_id: 0, other_obj_id: 1, frame_index: 0 },
        "propagation_in_progress",
      );
      await session.ok({ type: "rename", obj_id: 0, name: "during" });
      await session.ok({ type: "cancel_propagation" });
      await probe.streamOf(stream);
    });
  }),

  check("locks and absences", "E-11 E-15 E-17 E-30 E-31", async (lab, verify) => {
    const session = await markedSession(lab);
    const locked = rleOf((await storedFrames(session)).get(4)?.outputs, 0);
    await verify("E-11", async () => {
      const { num_masks } = await session.ok({ type: "lock_frames", obj_id: 0, ...frames(4, 4) });
      expectSame(num_masks, 1, "num_masks");
      await session.ok(maskPrompt(3, 0, [40, 2, 60, 2, 60, 16]));
      const { frames: computed } = await session.stream({
        propagation_direction: "forward",
        start_frame_index: 0,
      });
      expectSame(rleOf(computed[4]?.outputs, 0), locked, "the locked mask");
      expectSame((await objectOf(session, 0)).locked_frames, [[4, 4]], "locked_frames");
    });
    const absence = await session.ok({ type: "mark_absent", obj_id: 1, ...frames(5, 8) });
    await verify("E-15", async () => {
      const { frames: computed } = await session.stream({
        propagation_direction: "forward",
        start_frame_index: 0,
      });
      for (const index of [5, 6, 7, 8])
        expectThat(
          !computed[index]?.outputs.out_obj_ids.includes(1),
          `object 1 has a mask on frame ${index}`,
        );
      expectSame((await objectOf(session, 1)).absent_frames, [[5, 8]], "absent_frames");
    });
    await verify("E-31", async () => {
      const ranges = (absence.affected as Message[]).filter(({ obj_id }) => obj_id === 1 || obj_id === null);
      const edited = await session.ok({ type: "mark_absent", obj_id: 1, ...frames(5, 8), absent: false });
      const staleFrames = async () => (await session.ok({ type: "get_session" })).stale_frames;
      expectThat(
        ((await staleFrames()) as Message[]).some(({ obj_id }) => obj_id === 1),
        "stale_frames lacks the edited object",
      );
      const { frames: computed } = await session.stream({ scope: "affected" });
      for (const index of indicesOf(computed))
        expectThat(
          [...ranges, ...(edited.affected as Message[])].some(
            ({ first_frame_index: first, last_frame_index: last }) => index >= first && index <= last,
          ),
          `frame ${index} was computed, but no edit affects it`,
        );
      expectSame(indicesOf((await session.stream({ scope: "affected" })).frames), [], "a second pass");
      expectSame(await staleFrames(), [], "stale_frames after the pass");
    });
    await verify("E-17", async () => {
      await session.ok({ type: "mark_absent", obj_id: 1, ...frames(5, 8) });
      await session.ok(maskPrompt(7, 1, otherPolygon(7)));
      expectSame(
        (await objectOf(session, 1)).absent_frames,
        [[5, 6]],
        "absent_frames after a prompt on frame 7",
      );
    });
    await verify("E-30", async () => {
      const fresh = await videoSession(lab);
      await fresh.ok(maskPrompt(2, 0));
      await fresh.ok(maskPrompt(8, 0));
      const { affected } = await fresh.ok(maskPrompt(5, 0));
      expectThat(affected.length > 0, "a prompt between two others affects no frame");
      for (const { first_frame_index: first, last_frame_index: last } of affected as Message[])
        expectThat(
          first >= 2 && last <= 8,
          `a prompt on frame 5 affects ${first} to ${last}, with prompts on 2 and 8`,
        );
    });
  }),

  check("merging", "E-19 E-20", async (lab, verify) => {
    const session = await markedSession(lab);
    await session.ok({ type: "mark_absent", obj_id: 0, ...frames(6, 8) });
    await session.ok({ type: "mark_absent", obj_id: 1, ...frames(7, 9) });
    await session.ok({ type: "lock_frames", obj_id: 1, ...frames(2, 2) });
    const before = await storedFrames(session);
    const { removed_obj_ids } = await session.ok({ type: "merge_objects", obj_id: 0, other_obj_ids: [1] });
    await verify("E-19", async () => {
      expectSame(removed_obj_ids, [1], "removed_obj_ids");
      expectSame((await facts(session)).obj_ids, [0], "obj_ids");
      for (const [index, { outputs }] of await storedFrames(session)) {
        const parts = [0, 1].flatMap((id) => rleOf(before.get(index)?.outputs, id) ?? []);
        if (parts.length > 0)
          expectSame(rleOf(outputs, 0)?.counts, uniteMasks(parts).counts, `the mask of frame ${index}`);
      }
    });
    await verify("E-20", async () => {
      const { absent_frames, locked_frames } = await objectOf(session, 0);
      expectSame([absent_frames, locked_frames], [[[7, 8]], [[2, 2]]], "absent_frames and locked_frames");
    });
  }),

  check("splitting and swapping", "E-21 E-22 E-24 E-25", async (lab, verify) => {
    const session = await markedSession(lab);
    const before = await storedFrames(session);
    const { new_obj_id } = await session.ok({
      type: "split_object",
      obj_id: 0,
      frame_index: 6,
      new_obj_id: 9,
    });
    await verify("E-21", async () => {
      expectSame(new_obj_id, 9, "new_obj_id");
      for (const [index, { outputs }] of await storedFrames(session)) {
        const original = rleOf(before.get(index)?.outputs, 0);
        expectSame(rleOf(outputs, index < 6 ? 0 : 9), original, `the mask of frame ${index}`);
      }
    });
    await verify("E-22", async () => {
      expectSame((await objectOf(session, 0)).absent_frames, [[6, 9]], "absent_frames of the old object");
      expectSame((await objectOf(session, 9)).absent_frames, [[0, 5]], "absent_frames of the new object");
    });
    const swapped = await markedSession(lab);
    await swapped.ok({ type: "swap_objects", obj_id: 0, other_obj_id: 1, frame_index: 5 });
    await verify("E-24", async () => {
      for (const [index, { outputs }] of await storedFrames(swapped)) {
        const original = before.get(index)?.outputs;
        expectSame(rleOf(outputs, 0), rleOf(original, index < 5 ? 0 : 1), `the mask of frame ${index}`);
      }
    });
    await verify("E-25", async () => {
      const { frames: computed } = await swapped.stream({
        propagation_direction: "forward",
        start_frame_index: 0,
      });
      expectSame(
        rleOf(computed[5]?.outputs, 0),
        rleOf(before.get(5)?.outputs, 1),
        "the mask of frame 5 after a propagation",
      );
    });
  }),

  check("names and concepts", "E-26 E-27 E-28", async (lab, verify) => {
    lab.requirePrompt("masks");
    const session = await videoSession(lab);
    await session.ok(maskPrompt(0, 0, squarePolygon(0)));
    await session.ok(maskPrompt(0, 1, otherPolygon(0)));
    await verify("E-26", async () => {
      await session.ok({ type: "rename", obj_id: 0, name: "Müller 🐶" });
      expectSame((await objectOf(session, 0)).name, "Müller 🐶", "name");
      await session.ok({ type: "rename", obj_id: 0 });
      expectSame((await objectOf(session, 0)).name, null, "a removed name");
      await session.fails({ type: "rename", obj_id: 99, name: "x" }, "object_not_found", "obj_id");
      await session.fails({ type: "rename", concept: "none", name: "x" }, "concept_not_found", "concept");
    });
    await verify("E-27", async () => {
      await session.ok({ type: "rename", obj_id: 0, name: "same" });
      await session.ok({ type: "rename", obj_id: 1, name: "same" });
    });
    await verify("E-28", async () => {
      lab.requirePrompt("text");
      await session.ok({ type: "add_prompt", frame_index: 0, text: "red square" });
      await session.ok({ type: "add_prompt", frame_index: 0, text: "dog", text_label: 0 });
      const { removed_obj_ids } = await session.ok({ type: "remove_concept", concept: "red square" });
      await session.ok({ type: "remove_concept", concept: "dog" });
      const { concepts, negative_concepts, obj_ids } = await facts(session);
      expectSame([concepts, negative_concepts], [[], []], "concepts");
      expectThat(
        (removed_obj_ids as number[]).every((one) => !obj_ids.includes(one)),
        "removed objects exist",
      );
      expectThat(
        [0, 1].every((one) => obj_ids.includes(one)),
        "an object of another prompt was removed",
      );
      await session.fails({ type: "remove_concept", concept: "red square" }, "concept_not_found", "concept");
    });
  }),
];
