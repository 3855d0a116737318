/** C: connections and messages. S-24: a close that follows its start at once. */
import { check } from "../check.js";
import type { Probe } from "../probe.js";
import { expectSame, expectThat, NotTried } from "../verdicts.js";
import {
  clipUpload,
  FRAMES,
  markFrames,
  maskPrompt,
  pictureSession,
  pictureUpload,
  videoSession,
} from "./common.js";

interface HandshakeError {
  status?: number;
  body?: string;
}

const refusal = (opening: Promise<Probe>): Promise<HandshakeError | undefined> =>
  opening.then(
    () => undefined,
    (error: HandshakeError) => error,
  );

export const connectionChecks = [
  check("handshakes", "C-1 C-2 C-3", async (lab, verify) => {
    await verify("C-1", async () => {
      const probe = await lab.connect();
      expectSame(probe.socket.protocol, "masklet.v1", "the subprotocol");
      const elsewhere = await refusal(lab.connect({ url: `${lab.options.socket}/elsewhere` }));
      expectSame(elsewhere?.status, 404, "the status of a handshake at another path");
    });
    await verify("C-2", async () => {
      const probe = await lab.connect({ protocols: [] });
      await probe.settled();
      const refused = await refusal(lab.connect({ protocols: ["another.v1", "masklet.v9"] }));
      expectSame(refused?.status, 400, "the status of a handshake with other subprotocols only");
    });
    await verify("C-3", async () => {
      const refused = await refusal(lab.connect({ headers: { origin: "https://conformance.invalid" } }));
      if (!refused) throw new NotTried("the configuration of this server admits pages of any origin");
      expectSame(refused.status, 403, "the status of a handshake from another origin");
    });
  }),

  check("messages that are no requests", "C-4", async (lab, verify) => {
    await verify("C-4", async () => {
      const probe = await lab.connect();
      const expectError = async (message: string | Uint8Array, code: string) => {
        const before = probe.received.length;
        probe.sendRaw(message);
        const answer = await probe.until(() => probe.received[before], `an error ${code}`);
        expectSame([answer.type, answer.error?.code, answer.request_id], ["error", code, null], "the answer");
      };
      await expectError("not JSON", "malformed_json");
      await expectError("[1,2]", "malformed_json");
      await expectError('"text"', "malformed_json");
      await expectError(new Uint8Array([0, 0, 0, 9, 1]), "binary_not_expected");
      probe.sendRaw(JSON.stringify({ type: "fly", request_id: "fly" }));
      const unknown = await probe.answerTo("fly");
      expectSame(unknown.error?.code, "unknown_type", "the error of an unknown type");
    });
  }),

  check("request ids", "C-6 C-7", async (lab, verify) => {
    const probe = await lab.connect();
    await verify("C-6", async () => {
      for (const [fields, code] of [
        [{}, "missing_field"],
        [{ request_id: "" }, "invalid_field"],
        [{ request_id: 7 }, "invalid_field"],
        [{ request_id: "x".repeat(129) }, "invalid_field"],
      ] as const) {
        const before = probe.received.length;
        probe.sendRaw(JSON.stringify({ type: "get_server", ...fields }));
        const answer = await probe.until(() => probe.received[before], "an answer");
        expectSame(
          [answer.error?.code, answer.error?.field],
          [code, "request_id"],
          JSON.stringify(fields).slice(0, 60),
        );
      }
    });
    await verify("C-7", async () => {
      for (const id of ["x".repeat(128), "ü-💡-\u0001", "__proto__"]) {
        const answer = await probe.ask({ type: "get_server", request_id: id });
        expectSame(answer.request_id, id, "request_id");
      }
    });
  }),

  check("pings, answers and order during a stream", "C-5 C-8 C-10 C-12 C-13 C-14", async (lab, verify) => {
    lab.requirePrompt("masks");
    const session = await videoSession(lab);
    await markFrames(session, [0]);
    const { probe, id } = session;
    const stream = probe.send({
      type: "propagate_in_video",
      session_id: id,
      propagation_direction: "forward",
    });
    await verify("C-5", async () => {
      await probe.first((one) => one.type === "frame" && one.request_id === stream, "a frame");
      const ms = await probe.ping();
      expectThat(ms < 5000, `a pong took ${Math.round(ms)} ms during a stream`);
    });
    const { frames, end } = await probe.streamOf(stream);
    await verify("C-13", () => {
      expectThat(end.type === "done", `the stream ended with ${end.error?.code}`);
      expectSame(frames.length, FRAMES, "the number of frames");
      expectThat(
        probe.received.indexOf(end) > probe.received.indexOf(frames.at(-1) ?? end),
        "done came before a frame",
      );
    });
    await verify("C-10", () => {
      const results = probe.received.filter((one) => one.session_id === id || one.request_id === stream);
      expectSame(
        results.filter((one) => typeof one.seq !== "number").map((one) => one.type),
        [],
        "results without seq",
      );
      expectSame(
        results.map((one) => one.seq),
        results.map((_, index) => index + 1),
        "the numbers of the results",
      );
    });
    await verify("C-12", async () => {
      const asked = Array.from({ length: 40 }, (_, index) =>
        probe.send(
          index % 2 ? { type: "get_session", session_id: id } : { type: "get_session", session_id: "none" },
        ),
      );
      const answers = await Promise.all(asked.map((one) => probe.answerTo(one)));
      expectSame(
        answers.map(({ type }) => type),
        asked.map((_, index) => (index % 2 ? "response" : "error")),
        "the answers",
      );
      await probe.settled();
      const counts = asked.map(
        (one) => probe.received.filter((message) => message.request_id === one).length,
      );
      expectSame(new Set(counts).size === 1 && counts[0], 1, "answers per request");
    });
    await verify("C-14", async () => {
      const order = [
        probe.send({ session_id: id, ...maskPrompt(1, 5) }),
        probe.send({ type: "rename", session_id: id, obj_id: 5, name: "five" }),
        probe.send({ type: "remove_object", session_id: id, obj_id: 5 }),
        probe.send({ type: "get_session", session_id: id }),
      ];
      const answers = await Promise.all(order.map((one) => probe.answerTo(one)));
      expectSame(
        answers.map(({ type }) => type),
        order.map(() => "response"),
        "the answers",
      );
      const numbers = answers.map(({ seq }) => seq as number);
      expectSame(
        numbers,
        [...numbers].sort((a, b) => a - b),
        "the order of the answers",
      );
      expectThat(!answers[3]?.obj_ids.includes(5), "get_session shows an object that was removed before");
    });
    await verify("C-8", async () => {
      const own = await videoSession(lab);
      await markFrames(own, [0]);
      const repeated = own.probe.send({
        type: "propagate_in_video",
        session_id: own.id,
        propagation_direction: "forward",
        window: 1,
      });
      await own.probe.first((one) => one.type === "frame" && one.request_id === repeated, "a frame");
      own.probe.expectRepeated(repeated);
      own.probe.sendRaw(JSON.stringify({ type: "get_session", request_id: repeated, session_id: own.id }));
      const answer = await own.probe.first((one) => one.type === "error", "an error");
      expectSame([answer.error?.code, answer.error?.field], ["invalid_field", "request_id"], "the error");
    });
  }),

  check("messages without seq", "C-11", async (lab, verify) => {
    await verify("C-11", async () => {
      const session = await pictureSession(lab);
      const other = await lab.connect();
      const direct = [
        await other.ok({ type: "get_server" }),
        await other.ok({ type: "attach_session", session_token: session.token, watch: true }),
        await other.ok({ type: "get_session", session_id: session.id }),
        await other.ok({ type: "detach_session", session_id: session.id }),
        await other.fails({ type: "get_session", session_id: session.id }, "session_not_found"),
        await other.ok({ type: "attach_session", session_token: session.token }),
        await session.probe.first(({ event }) => event === "session_detached", "session_detached"),
      ];
      expectSame(
        direct.map(({ seq }) => seq ?? null),
        direct.map(() => null),
        "seq",
      );
    });
  }),

  check("null and unknown fields", "C-15 C-16", async (lab, verify) => {
    const session = await pictureSession(lab);
    await verify("C-15", async () => {
      await session.ok({ type: "list_suspects", limit: null });
      await session.fails({ type: "list_suspects", session_id: null }, "missing_field", "session_id");
    });
    await verify("C-16", async () => {
      await session.fails({ type: "get_session", frame_idx: 1 }, "unknown_field", "frame_idx");
      await session.fails({ type: "get_session", constructor: 1 }, "unknown_field", "constructor");
    });
  }),

  check("get_server", "C-18", async (lab, verify) => {
    await verify("C-18", async () => {
      const { protocol, prompts, mask_formats, limits, sessions, pack } = await lab.probe.ok({
        type: "get_server",
      });
      expectSame(protocol, "masklet.v1", "protocol");
      expectThat(
        Array.isArray(prompts) && mask_formats?.includes("rle"),
        "prompts and mask_formats are lists",
      );
      expectThat(typeof limits?.maxMessageBytes === "number", "limits has maxMessageBytes");
      expectThat(typeof pack?.id === "string" && typeof pack.hash === "string", "pack has an id and a hash");
      const before = sessions as number;
      await pictureSession(lab);
      expectSame(
        (await lab.probe.ok({ type: "get_server" })).sessions,
        before + 1,
        "sessions after one more start",
      );
    });
  }),

  check("a close right after its start", "S-24", async (lab, verify) => {
    await verify("S-24", async () => {
      const probe = await lab.connect();
      const session_id = `conformance-${Date.now()}`;
      const upload_id = await clipUpload(lab);
      const start = probe.send({ type: "start_session", session_id, upload_id });
      const close = probe.send({ type: "close_session", session_id });
      const get = probe.send({ type: "get_session", session_id });
      const started = await probe.answerTo(start);
      // A fast server has started the session before it reads the close.
      const outcome = started.error?.code ?? started.type;
      expectThat(
        ["session_not_found", "response"].includes(outcome),
        `the answer to start_session: expected session_not_found, got ${outcome}`,
      );
      expectSame((await probe.answerTo(get)).error?.code, "session_not_found", "the answer to get_session");
      expectSame((await probe.answerTo(close)).type, "response", "the answer to close_session");
    });
  }),

  check("ids of sessions", "S-1 S-2", async (lab, verify) => {
    const session_id = `conformance-${Math.random().toString(36).slice(2)}`;
    const session = await pictureSession(lab, { session_id });
    const other = await lab.connect();
    await verify("S-1", async () => {
      expectSame(session.id, session_id, "session_id");
      const upload_id = await pictureUpload(lab);
      await other.fails({ type: "start_session", session_id, upload_id }, "session_exists");
    });
    await verify("S-2", async () => {
      const known = await other.fails({ type: "get_session", session_id }, "session_not_found");
      const unknown = await other.fails(
        { type: "get_session", session_id: `${session_id}x` },
        "session_not_found",
      );
      const text = (message: string) =>
        message.replaceAll(`${session_id}x`, "ID").replaceAll(session_id, "ID");
      expectSame(
        text(known.error.message),
        text(unknown.error.message),
        "the message about a session of others",
      );
      await session.ok({ type: "get_session" });
    });
  }),
];
