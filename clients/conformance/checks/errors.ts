/** X: errors, close codes, limits. */
import { type Check, check } from "../check.js";
import { expectSame, expectThat } from "../verdicts.js";
import { maskPrompt, pictureSession } from "./common.js";

export const errorChecks: Check[] = [
  check("errors", "X-1 X-2", async (lab, verify) => {
    const session = await pictureSession(lab);
    await verify("X-1", async () => {
      const { error } = await session.fails(
        { type: "add_prompt", frame_index: 0, points: [[0.5, 1.5]], point_labels: [1] },
        "invalid_field",
        "points[0][1]",
      );
      expectSame(error.retryable, false, "retryable");
      expectThat(
        /1\.5/.test(error.message),
        `the message does not state what was received: ${error.message}`,
      );
      const late = await session.fails(
        { type: "add_prompt", frame_index: 5, text: "dog" },
        "frame_out_of_range",
        "frame_index",
      );
      expectThat(
        /5/.test(late.error.message),
        `the message does not state what was received: ${late.error.message}`,
      );
    });
    await verify("X-2", async () => {
      session.probe.sendRaw("{");
      session.probe.sendRaw(new Uint8Array([1]));
      await session.ok({ type: "get_session" });
      await session.fails({ type: "remove_object", obj_id: 3 }, "object_not_found");
      await session.ok({ type: "get_session" });
    });
  }),

  check("close codes", "X-10", async (lab, verify) => {
    await verify("X-10", async () => {
      const large = await lab.connect();
      large.sendRaw("x".repeat(lab.server.limits.maxMessageBytes + 1));
      expectSame(await large.closed, 1009, "the code after a message that is too large");
      for (const [frame, code] of [
        [Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]), 1007],
        [Buffer.from([0x83, 0x80, 0, 0, 0, 0]), 1002],
      ] as const) {
        const probe = await lab.connect();
        // A frame that the library would not send.
        (probe.socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(frame);
        expectSame(await probe.closed, code, "the code after an invalid frame");
      }
    });
  }),

  check("limits", "X-11 X-12", async (lab, verify) => {
    const session = await pictureSession(lab);
    const { limits } = lab.server;
    const points = Array.from({ length: limits.pointsPerPrompt + 1 }, () => [0.5, 0.5]);
    await verify("X-11", async () => {
      const prompt = { type: "add_prompt", frame_index: 0 };
      await session.fails({ ...prompt, text: "x".repeat(limits.phraseLength + 1) }, "invalid_field", "text");
      await session.fails(
        { ...prompt, points, point_labels: points.map(() => 1) },
        "invalid_field",
        "points",
      );
      const boxes = Array.from({ length: limits.boxesPerPrompt + 1 }, () => [0, 0, 0.5, 0.5]);
      await session.fails(
        { ...prompt, bounding_boxes: boxes, bounding_box_labels: boxes.map(() => 1) },
        "invalid_field",
        "bounding_boxes",
      );
      const vertices = Array.from({ length: limits.verticesPerMask + 1 }, (_, at) => [
        at % 90,
        (at * 7) % 60,
      ]).flat();
      await session.fails(maskPrompt(0, 0, vertices), "invalid_field", "mask");
      const name = "x".repeat(limits.nameLength + 1);
      await session.fails({ type: "rename", obj_id: 0, name }, "invalid_field", "name");
      await session.fails(
        { type: "get_session", session_id: "x".repeat(limits.sessionIdLength + 1) },
        "invalid_field",
        "session_id",
      );
      await session.fails(
        { type: "list_suspects", limit: limits.suspectsPerAnswer + 1 },
        "invalid_field",
        "limit",
      );
    });
    await verify("X-12", () => {
      for (const name of [
        "maxConnections",
        "maxMessageBytes",
        "maxFrameBytes",
        "maxSessionsPerOwner",
        "maxUploadBytes",
        "idleTimeoutMs",
      ])
        expectThat(limits[name] > 0, `get_server reports ${limits[name]} for ${name}`);
    });
  }),
];
