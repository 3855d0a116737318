import { describe, expect, it } from "vitest";
import { createKeptList, type KeptWork, type Place } from "../../clients/web/keep/kept-work.js";

function memoryPlace(maxChars = Number.POSITIVE_INFINITY): Place & { text: string | null } {
  return {
    text: null,
    getItem() {
      return this.text;
    },
    setItem(_key, value) {
      if (value.length > maxChars) throw new DOMException("full", "QuotaExceededError");
      this.text = value;
    },
  };
}

const work = (sessionId: string, changedAtMs: number, more: Partial<KeptWork> = {}): KeptWork => ({
  sessionId,
  token: "t".repeat(32),
  name: `${sessionId}.mp4`,
  numFrames: 10,
  frame: 3,
  changedAtMs,
  ...more,
});
const ids = (list: readonly KeptWork[]) => list.map(({ sessionId }) => sessionId);

describe("the list of earlier work", () => {
  it("has one record per session, the last changed one first", () => {
    const list = createKeptList(memoryPlace());
    list.put(work("a", 1));
    list.put(work("b", 2));
    list.put(work("a", 3, { frame: 7 }));
    expect(ids(list.all())).toEqual(["a", "b"]);
    expect(list.all()[0]?.frame).toBe(7);
    list.remove("a");
    expect(ids(list.all())).toEqual(["b"]);
  });

  it("forgets the oldest of many records", () => {
    const list = createKeptList(memoryPlace());
    for (let i = 0; i < 60; i++) list.put(work(`s${i}`, i));
    expect(list.all()).toHaveLength(40);
    expect(list.all()[0]?.sessionId).toBe("s59");
  });

  it("drops pictures when the browser has no room for them", () => {
    const list = createKeptList(memoryPlace(2000));
    expect(list.put(work("a", 1, { thumbnail: "x".repeat(5000) }))).toBe(true);
    expect(list.all()).toEqual([work("a", 1)]);
  });

  it("reports that there is no room at all", () => {
    expect(createKeptList(memoryPlace(10)).put(work("a", 1))).toBe(false);
  });

  it.each(["{", "3", '[{"sessionId":"a"}]', '[null,"x"]'])("ignores damaged storage: %s", (text) => {
    const place = memoryPlace();
    place.text = text;
    expect(createKeptList(place).all()).toEqual([]);
  });
});
