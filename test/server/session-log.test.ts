import { describe, expect, it } from "vitest";
import { decodeEnvelope } from "../../protocol/index.js";
import { anonymous, createSessionLog } from "../../server/session-log.js";

const numbers = (log: ReturnType<typeof createSessionLog>) =>
  Array.from({ length: log.lastSeq - log.firstSeq + 1 }, (_, i) => log.get(log.firstSeq + i)?.seq);

describe("the log of a session", () => {
  it("numbers results from 1 and encodes each once", () => {
    const log = createSessionLog("s");
    expect([log.firstSeq, log.lastSeq]).toEqual([1, 0]);
    log.append("response", "a", { is_success: true });
    const second = log.append("event", undefined, { event: "session_recovered", session_id: "other" });
    expect(log.get(1)?.data).toBe(
      '{"type":"response","request_id":"a","is_success":true,"session_id":"s","seq":1}',
    );
    expect(JSON.parse(second.data as string)).toEqual({
      type: "event",
      event: "session_recovered",
      session_id: "s",
      seq: 2,
    });
    expect(log.get(2)).toBe(second);
    expect(log.get(3)).toBeUndefined();
    expect(log.get(0)).toBeUndefined();
  });

  it("drops the oldest results, keeps the newest bytes, and never drops beyond the given number", () => {
    const log = createSessionLog("s");
    for (let seq = 1; seq <= 5000; seq++) log.append("frame", "r", { text: "x".repeat(100) });
    const size = log.bytes / 5000;
    log.trim(10, 0);
    expect([log.firstSeq, log.lastSeq]).toEqual([11, 5000]);
    log.trim(5000, 100.5 * size);
    expect(log.firstSeq).toBeGreaterThan(4890);
    expect(log.bytes).toBeGreaterThanOrEqual(100.5 * size);
    expect(numbers(log)).toEqual(Array.from({ length: 5001 - log.firstSeq }, (_, i) => log.firstSeq + i));
    log.trim(9999, 0);
    expect([log.firstSeq, log.lastSeq, log.bytes]).toEqual([5001, 5000, 0]);
    expect(log.append("done", "r", {}).seq).toBe(5001);
    expect(log.get(5001)?.seq).toBe(5001);
  });

  it.each(["3", 'a "quoted" \\ id', "ключ"])(
    "hides the request id %s from other connections",
    (requestId) => {
      const log = createSessionLog("s");
      const text = log.append("frame", requestId, { frame_index: 7, note: `"request_id":"${requestId}"` });
      expect(JSON.parse(anonymous(text) as string)).toEqual({
        ...JSON.parse(text.data as string),
        request_id: null,
      });
      const out_packed_masks = [Uint8Array.of(1, 2), Uint8Array.of(3)];
      const binary = log.append("frame", requestId, { frame_index: 8, outputs: { out_packed_masks } });
      const { header, payload } = decodeEnvelope(anonymous(binary) as Uint8Array);
      expect(header).toEqual({
        type: "frame",
        request_id: null,
        frame_index: 8,
        outputs: { out_mask_bytes: [2, 1] },
        session_id: "s",
        seq: 2,
      });
      expect([...payload]).toEqual([1, 2, 3]);
    },
  );
});
