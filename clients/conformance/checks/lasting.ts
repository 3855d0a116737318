/** R: lost connections. K: saved sessions. T-22, X-4, X-5: the end of idle sessions. */
import { createHash } from "node:crypto";
import { type Check, check } from "../check.js";
import type { Session } from "../lab.js";
import { otherPolygon } from "../media.js";
import type { Message, Probe } from "../probe.js";
import { expectSame, expectThat } from "../verdicts.js";
import {
  clipUpload,
  FRAMES,
  indicesOf,
  markedSession,
  markFrames,
  maskPrompt,
  pause,
  pictureSession,
  pictureUpload,
  summaryOf,
  videoSession,
} from "./common.js";

const forward = { propagation_direction: "forward", start_frame_index: 0 };
const attach = (probe: Probe, session: Session, fields = {}) =>
  probe.ok({ type: "attach_session", session_token: session.token, ...fields });
const SAVED_ENTRIES = ["manifest.json", "session.json", "results.ndjson", "tracker.bin"];

export const lastingChecks: Check[] = [
  check("a lost connection", "R-1 R-2 R-11 R-12 R-13 R-14 R-16", async (lab, verify) => {
    lab.requirePrompt("masks");
    const session = await videoSession(lab);
    await markFrames(session, [0]);
    const { probe, id } = session;
    const stream = probe.send({ type: "propagate_in_video", session_id: id, ...forward, window: 3 });
    await probe.until(() => (probe.framesOf(stream).length === 3 ? true : undefined), "three frames");
    const lastSeq = Math.max(...probe.received.map(({ seq }) => seq ?? 0));
    probe.drop();
    const other = await lab.connect();
    const answer = await attach(other, session, { after_seq: lastSeq - 2 });
    await verify("R-1", () =>
      expectSame([answer.session_id, answer.num_frames, answer.control], [id, FRAMES, true], "the answer"),
    );
    await verify("R-11", () =>
      expectThat(answer.pending.includes(stream), "the stream of the lost connection is not pending"),
    );
    await verify("R-13", () => expectSame(answer.pending, [stream], "pending"));
    await verify("R-16", () => expectSame(answer.lost, 0, "lost"));
    await verify("R-14", () => {
      expectSame(answer.streams, [{ request_id: stream, num_frames: 3 }], "streams");
      other.sendRaw(JSON.stringify({ type: "ack", request_id: stream, num_frames: 3 }));
    });
    await other.until(
      () => (other.framesOf(stream).length >= 5 ? true : undefined),
      "frames after the attachment",
    );
    other.sendRaw(JSON.stringify({ type: "ack", request_id: stream, num_frames: 6 }));
    await other.until(() => (other.framesOf(stream).length >= 8 ? true : undefined), "more frames");
    other.sendRaw(JSON.stringify({ type: "ack", request_id: stream, num_frames: 9 }));
    const { frames } = await other.streamOf(stream);
    await verify("R-2", () => {
      const at = other.received.indexOf(answer);
      expectThat(
        other.received.every((one, index) => one.seq === undefined || index > at),
        "a result came before the answer",
      );
      expectSame(other.received[at + 1]?.seq, lastSeq - 1, "seq of the first result");
    });
    await verify("R-12", () => {
      const indices = indicesOf(frames);
      expectSame(
        indices,
        Array.from({ length: indices.length }, (_, at) => FRAMES - indices.length + at),
        "the frames after the attachment",
      );
      expectSame(indices[0], 1, "the first frame that is sent again");
    });
  }),

  check("control of a session", "R-3 R-4 R-5 R-6 R-9 R-10 X-7", async (lab, verify) => {
    lab.requirePrompt("masks");
    const session = await videoSession(lab);
    await markFrames(session, [0]);
    const { probe, id } = session;
    const other = await lab.connect();
    await verify("R-3", async () => {
      const ended = await pictureSession(lab);
      await ended.ok({ type: "close_session" });
      const tokens = [`${"x".repeat(40)}`, ended.token];
      const messages = [];
      for (const session_token of tokens)
        messages.push(
          (await other.fails({ type: "attach_session", session_token }, "session_not_found")).error.message,
        );
      expectSame(messages[0], messages[1], "the message about an ended session");
    });
    await verify("R-4", async () => {
      const first = await lab.connect();
      const own = await pictureSession(lab, { session_id: `twice-${id}`.slice(0, 100) }, first);
      await own.ok({ type: "detach_session" });
      await attach(first, own);
      await attach(first, own, { watch: true });
      await attach(first, own);
    });
    const stream = probe.send({ type: "propagate_in_video", session_id: id, ...forward, window: 2 });
    await probe.until(() => (probe.framesOf(stream).length === 2 ? true : undefined), "two frames");
    await attach(other, session);
    await verify("R-5", async () => {
      await probe.fails({ type: "get_session", session_id: id }, "session_not_found");
      await other.ok({ type: "get_session", session_id: id });
    });
    await verify("X-7", async () => {
      const event = await probe.first(({ event }) => event === "session_detached", "session_detached");
      expectSame([event.session_id, event.reason], [id, "taken_over"], "the event");
    });
    await verify("R-6", async () => {
      other.sendRaw(JSON.stringify({ type: "ack", request_id: stream, num_frames: 2 }));
      await other.until(
        () => (other.framesOf(stream).length >= 2 ? true : undefined),
        "frames of the earlier controller's stream",
      );
      await other.ok({ type: "cancel_propagation", session_id: id });
      expectSame((await other.streamOf(stream)).end.cancelled, true, "cancelled");
    });
    await verify("R-9", async () => {
      await attach(other, session);
      await attach(other, session, { watch: true });
      await attach(other, session);
      await other.ok({ type: "get_session", session_id: id });
    });
    await verify("R-10", async () => {
      await other.ok({ type: "detach_session", session_id: id });
      await other.fails({ type: "get_session", session_id: id }, "session_not_found");
      expectSame((await attach(other, session)).session_id, id, "session_id");
    });
  }),

  check("watchers", "R-7 R-8", async (lab, verify) => {
    const session = await markedSession(lab);
    const watcher = await lab.connect();
    expectSame((await attach(watcher, session, { watch: true })).control, false, "control");
    await verify("R-7", async () => {
      await session.ok(maskPrompt(2, 0));
      const seen = await watcher.first(
        (one) => one.type === "response" && one.frame_index === 2,
        "the result of the controller",
      );
      expectSame(seen.request_id, null, "request_id of a result of others");
      const about = { session_id: session.id };
      await watcher.ok({ type: "get_session", ...about });
      await watcher.ok({ type: "list_suspects", ...about });
      await watcher.ok({ type: "save_session", ...about });
      const { frames } = await watcher.stream({
        type: "propagate_in_video",
        ...about,
        ...forward,
        scope: "stored",
      });
      expectSame(frames.length, FRAMES, "stored frames");
      await session.ok({ type: "get_session" });
    });
    await verify("R-8", async () => {
      const about = { session_id: session.id };
      await watcher.fails({ ...maskPrompt(0, 0), ...about }, "read_only");
      await watcher.fails({ type: "reset_session", ...about }, "read_only");
      await watcher.fails({ type: "close_session", ...about }, "read_only");
      await watcher.fails({ type: "propagate_in_video", ...about }, "read_only");
    });
  }),

  check("the number of sessions", "R-21 R-23", async (lab, verify) => {
    const most = lab.requireLimit("maxSessionsPerOwner", 16);
    const held = (await lab.probe.ok({ type: "get_server" })).sessions as number;
    const probes = await Promise.all(Array.from({ length: most - held }, () => lab.connect()));
    const sessions: Session[] = [];
    for (const probe of probes) sessions.push(await pictureSession(lab, {}, probe));
    const upload_id = await pictureUpload(lab);
    await verify("R-23", async () => {
      await lab.probe.fails({ type: "start_session", upload_id }, "session_limit");
    });
    await verify("R-21", async () => {
      const oldest = sessions[0] as Session;
      oldest.probe.drop();
      for (let tries = 0; ; tries++) {
        await pause(100);
        const answer = await lab.probe.ask({ type: "start_session", upload_id });
        if (answer.type === "response") {
          await lab.probe.ok({ type: "close_session", session_id: answer.session_id });
          break;
        }
        expectThat(tries < 30, `a session without a connection did not make room: ${answer.error?.code}`);
      }
      await lab.probe.fails({ type: "attach_session", session_token: oldest.token }, "session_not_found");
    });
  }),

  check("idle sessions", "R-19 R-20 T-22 X-4 X-5", async (lab, verify) => {
    const idleMs = lab.requireLimit("idleTimeoutMs", 15_000);
    const used: (() => void)[] = [];
    // From the start: on a busy machine the sessions below take longer to start than a short timeout.
    const timer = setInterval(() => {
      for (const use of used) use();
    }, idleMs / 6);
    const stream = async () => {
      const session = await videoSession(lab);
      await session.ok(maskPrompt(0, 0));
      const id = session.probe.send({
        type: "propagate_in_video",
        session_id: session.id,
        ...forward,
        window: 1,
      });
      await session.probe.first((one) => one.type === "frame" && one.request_id === id, "a frame");
      return { session, id };
    };
    try {
      lab.requirePrompt("masks");
      const kept = await pictureSession(lab);
      used.push(() => kept.probe.send({ type: "get_session", session_id: kept.id }));
      const { session: acked, id } = await stream();
      used.push(() => acked.probe.sendRaw(JSON.stringify({ type: "ack", request_id: id, num_frames: 0 })));
      const { session: waiting } = await stream();
      const idle = await pictureSession(lab);
      await pause(1.8 * idleMs);
      const events = (session: Session) => session.probe.received.flatMap(({ event }) => event ?? []);
      await verify("X-5", () =>
        expectThat(
          events(idle).includes("session_expired"),
          `the events of an idle session: ${events(idle)}`,
        ),
      );
      await verify("R-19", () => idle.fails({ type: "get_session" }, "session_not_found").then(() => {}));
      await verify("X-4", () => {
        const list = events(idle);
        expectThat(
          list.indexOf("session_expiring") >= 0 &&
            list.indexOf("session_expiring") < list.indexOf("session_expired"),
          `the events: ${list}`,
        );
      });
      await verify("R-20", () => kept.ok({ type: "get_session" }).then(() => {}));
      await verify("T-22", async () => {
        expectThat(
          events(waiting).includes("session_expired"),
          "a stream that waits for an ack keeps its session",
        );
        expectThat(!events(acked).includes("session_expired"), "an ack does not count as use");
      });
    } finally {
      clearInterval(timer);
    }
  }),

  check("saved sessions", "K-1 K-2 K-3 K-4 K-6 K-9 K-10 K-11", async (lab, verify) => {
    lab.requirePrompt("masks");
    const session = await videoSession(lab);
    await session.ok(maskPrompt(0, 0));
    await session.ok(maskPrompt(0, 1, otherPolygon(0)));
    await session.stream({ ...forward, max_frame_num_to_track: 4 });
    const saved = await session.ok({ type: "save_session" });
    const upload_id = await clipUpload(lab);
    const load = async (saved_id: string) => {
      const probe = await lab.connect();
      const answer = await probe.ok({ type: "load_session", saved_id, upload_id });
      return { probe, answer };
    };
    await verify("K-1", async () => {
      const { probe, answer } = await load(saved.saved_id);
      const facts = await probe.ok({ type: "get_session", session_id: answer.session_id });
      expectSame(
        [facts.obj_ids, answer.stored_frames],
        [[0, 1], 5],
        "obj_ids and stored frames of a loaded session",
      );
      await probe.ok({ type: "close_session", session_id: answer.session_id });
    });
    const file = await lab.http(`/v1/saved/${saved.saved_id}`);
    await verify("K-2", async () => {
      expectSame([file.status, file.bytes.length], [200, saved.bytes], "status and bytes of the file");
      expectSame(createHash("sha256").update(file.bytes).digest("hex"), saved.sha256, "sha256");
      const sent = await lab.http("/v1/saved", { method: "POST", body: file.bytes });
      expectSame([sent.status, sent.body.sha256], [201, saved.sha256], "the answer to POST");
      const deleted = await lab.http(`/v1/saved/${sent.body.saved_id}`, { method: "DELETE" });
      expectSame(deleted.status, 204, "the answer to DELETE");
      expectSame(
        (await lab.http(`/v1/saved/${sent.body.saved_id}`)).status,
        404,
        "the answer to GET after DELETE",
      );
    });
    await verify("K-11", async () => {
      const { status, body } = await lab.http("/v1/saved");
      expectSame(status, 200, "the status");
      const own = (body.saved as Message[]).find((one) => one.saved_id === saved.saved_id);
      expectThat(own, "the file is not in the list");
      const { width, height, num_frames, name } = await summaryOf(lab, session);
      expectSame(
        [own.bytes, own.name, own.video],
        [saved.bytes, name, { width, height, num_frames }],
        "bytes, name and video",
      );
      expectThat(Date.parse(own.saved_at) < Date.parse(own.expires_at), `it expires at ${own.expires_at}`);
    });
    const { probe, answer } = await load(saved.saved_id);
    await verify("K-3", async () => {
      expectSame(answer.restored, "exactly", "restored");
      await probe.fails(
        { type: "load_session", saved_id: saved.saved_id, upload_id: await pictureUpload(lab) },
        "saved_mismatch",
      );
      await probe.fails({ type: "load_session", saved_id: "none", upload_id }, "saved_not_found", "saved_id");
    });
    await verify("K-4", async () => {
      const rest = { propagation_direction: "forward", start_frame_index: 5 };
      const original = await session.stream(rest);
      const restored = await probe.stream({
        type: "propagate_in_video",
        session_id: answer.session_id,
        ...rest,
      });
      const masks = (frames: typeof original.frames) =>
        frames.map(({ frame_index, outputs }) => [
          frame_index,
          outputs.out_obj_ids,
          outputs.out_probs,
          outputs.out_binary_masks,
        ]);
      expectSame(masks(restored.frames), masks(original.frames), "the next frames");
    });
    await verify("K-6", async () => {
      const fresh = await load(saved.saved_id);
      await fresh.probe.fails({ type: "undo", session_id: fresh.answer.session_id }, "nothing_to_undo");
      const live = await lab.session({ live: true });
      await live.fails({ type: "save_session" }, "wrong_session_kind");
      await fresh.probe.ok({ type: "close_session", session_id: fresh.answer.session_id });
    });
    await probe.ok({ type: "close_session", session_id: answer.session_id });
    await verify("K-9", () => {
      expectSame(file.bytes.subarray(0, 2).toString(), "PK", "the first bytes");
      for (const entry of SAVED_ENTRIES)
        expectThat(file.bytes.includes(entry), `the archive has no ${entry}`);
    });
    await verify("K-10", async () => {
      const changed = Buffer.from(file.bytes);
      const middle = Math.floor(changed.length / 2);
      changed[middle] = (changed[middle] ?? 0) ^ 0xff;
      for (const bytes of [changed, file.bytes.subarray(0, middle), Buffer.from("no archive")]) {
        const sent = await lab.http("/v1/saved", { method: "POST", body: bytes });
        const what = `${bytes.length} changed bytes`;
        if (sent.status !== 201) {
          expectSame([sent.status, sent.body.error?.code], [422, "saved_unreadable"], what);
          continue;
        }
        // The server may read the whole file only when a session needs it.
        const { saved_id } = sent.body;
        const loaded = await lab.probe.ask({ type: "load_session", saved_id, upload_id });
        expectSame(loaded.error?.code, "saved_unreadable", what);
        await lab.http(`/v1/saved/${saved_id}`, { method: "DELETE" });
      }
    });
    await lab.http(`/v1/saved/${saved.saved_id}`, { method: "DELETE" });
  }),
];
