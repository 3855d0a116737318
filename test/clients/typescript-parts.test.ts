import { describe, expect, it } from "vitest";
import { endpointOf } from "../../clients/typescript/endpoint.js";
import { objectsOf } from "../../clients/typescript/index.js";
import { openWire } from "../../clients/typescript/wire.js";
import { encodeMask } from "../../protocol/rle.js";
import { until } from "../helpers/settle.js";

describe("a server's address", () => {
  it.each([
    ["ws://127.0.0.1:8765", "ws://127.0.0.1:8765/v1", "http://127.0.0.1:8765/v1/uploads"],
    ["http://127.0.0.1:8765/", "ws://127.0.0.1:8765/v1", "http://127.0.0.1:8765/v1/uploads"],
    ["wss://example.org/v1/", "wss://example.org/v1", "https://example.org/v1/uploads"],
    [
      "https://example.org/tracking/v1",
      "wss://example.org/tracking/v1",
      "https://example.org/tracking/v1/uploads",
    ],
    ["wss://example.org/v1?key=7", "wss://example.org/v1?key=7", "https://example.org/v1/uploads?key=7"],
  ])("%s yields the addresses of the socket and of uploads", (address, socket, uploads) => {
    expect(endpointOf(address)).toEqual({ socket, uploads });
  });

  it("contains no user name and no password, which would not be sent", () => {
    for (const address of ["ws://ann:secret@127.0.0.1", "ws://secret@127.0.0.1"]) {
      expect(() => endpointOf(address)).toThrow(/^expected an address without a user name and a password/);
    }
  });
});

describe("a frame's outputs", () => {
  const bits = Uint8Array.of(0, 1, 1, 0, 0, 1);
  const outputs = {
    out_obj_ids: [2, 5],
    out_probs: [0.9, 0.4],
    out_boxes_xywh: [
      [0, 0, 1, 1],
      [0.5, 0, 0.5, 1],
    ] as [number, number, number, number][],
    out_binary_masks: [encodeMask(new Uint8Array(6), 3, 2), encodeMask(bits, 3, 2)],
    out_states: [],
    frame_stats: null,
  };

  it("become a list of objects with masks that decode", () => {
    const [first, second] = objectsOf(outputs);
    expect(first).toMatchObject({ id: 2, prob: 0.9, boxXywh: [0, 0, 1, 1] });
    expect(second).toMatchObject({
      id: 5,
      prob: 0.4,
      boxXywh: [0.5, 0, 0.5, 1],
      rle: outputs.out_binary_masks[1],
    });
    expect(second?.decodeMask()).toEqual({ width: 3, height: 2, data: bits });
  });

  it("are refused when their lists differ in length", () => {
    expect(() => objectsOf({ ...outputs, out_probs: [0.9] })).toThrow(RangeError);
  });
});

describe("a wire", () => {
  /** A WebSocket class that records what is sent and lets the test deliver messages. */
  function recordedSocket() {
    const record = { sent: [] as unknown[], deliver: (_: string | ArrayBuffer) => {}, binaryType: "" };
    class Recorded {
      onopen = () => {};
      onmessage = (_: { data: string | ArrayBuffer }) => {};
      set binaryType(type: string) {
        record.binaryType = type;
      }
      constructor() {
        record.deliver = (data) => this.onmessage({ data });
        queueMicrotask(() => this.onopen());
      }
      send(data: unknown) {
        record.sent.push(data);
      }
      close() {}
    }
    return { record, Recorded };
  }

  it("carries text and bytes both ways", async () => {
    const { record, Recorded } = recordedSocket();
    const wire = await openWire({ socket: "ws://127.0.0.1" }, Recorded);
    const received: unknown[] = [];
    wire.listen({
      onText: (text) => received.push(text),
      onBytes: (bytes) => received.push(bytes),
      onClose: () => {},
    });
    wire.send("text");
    wire.send(Uint8Array.of(1, 2));
    expect(record.sent).toEqual(["text", Uint8Array.of(1, 2)]);
    record.deliver("answer");
    record.deliver(Uint8Array.of(3).buffer);
    expect(received).toEqual(["answer", Uint8Array.of(3)]);
    expect(record.binaryType).toBe("arraybuffer");
  });

  it.each([
    [
      "an error",
      '{"type":"error","request_id":"key","error":{"code":"unauthenticated","message":"m","retryable":false}}',
      "unauthenticated",
    ],
    ["another message", '{"type":"event"}', "connection_failed"],
    ["no message of the protocol", "hello", "connection_failed"],
  ])("sends a key first, and fails when the answer is %s", async (_, answer, code) => {
    const { record, Recorded } = recordedSocket();
    const opening = openWire({ socket: "ws://127.0.0.1", key: "k" }, Recorded);
    await until(() => record.sent.length === 1);
    expect(record.sent).toEqual(['{"type":"authenticate","request_id":"key","key":"k"}']);
    record.deliver(answer);
    await expect(opening).rejects.toMatchObject({ code, retryable: false });
  });
});
