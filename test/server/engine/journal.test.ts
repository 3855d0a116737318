import { describe, expect, test } from "vitest";
import { createJournal, type Journal } from "../../../server/engine/journal.js";

const options = {
  maxSnapshotBytes: 100,
  maxJournalEntries: 6,
  minCallsBetweenSnapshots: 3,
  maxSnapshotShare: 0.01,
};
const open = (budget = { usedBytes: 0 }, more = {}) => createJournal({ ...options, ...more }, budget, 0);
const bytes = (length: number) => new Uint8Array(length);
const push = (journal: Journal, index: number) =>
  journal.record("push", { frame: { index, rgb: bytes(12) } });
const next = (journal: Journal) => journal.record("next", undefined);
const verbs = ({ entries }: Journal) =>
  entries.map(({ verb, frameIndex = "" }) => `${verb} ${frameIndex}`.trim());

describe("the journal of a session", () => {
  test("keeps what changes the state, without pixels", () => {
    const journal = open();
    const prompt = { kind: "concept", text: "dog", replace: false } as const;
    journal.record("prompt", { frame: { index: 3, rgb: bytes(12) }, prompt });
    journal.record("describe", undefined);
    journal.record("fetch", { frameIndex: 1 });
    journal.record("removeObject", { objectId: 9 });
    expect(journal.entries).toEqual([
      { verb: "prompt", params: { prompt }, frameIndex: 3 },
      { verb: "removeObject", params: { objectId: 9 } },
    ]);
  });

  test("keeps the frames that are not stepped beside a snapshot, which does not contain them", () => {
    const journal = open();
    for (const index of [0, 1]) push(journal, index);
    next(journal);
    push(journal, 2);
    journal.beginSnapshot().keep(bytes(10), 1, 1000);
    expect([journal.snapshot?.length, verbs(journal)]).toEqual([10, ["push 1", "push 2"]]);
    journal.record("begin", { reverse: false, firstFrame: 0, lastFrame: 1, startFrame: null });
    journal.beginSnapshot().keep(bytes(10), 1, 1000);
    expect(verbs(journal)).toEqual([]);
  });

  test("asks for a snapshot after enough calls, and when the last one has cost little of the time since", () => {
    const journal = open();
    next(journal);
    next(journal);
    expect(journal.isSnapshotDue(1e6)).toBe(false);
    next(journal);
    expect(journal.isSnapshotDue(0)).toBe(true);
    journal.beginSnapshot().keep(bytes(10), 20, 1000);
    for (let call = 0; call < 3; call++) next(journal);
    expect([2999, 3000].map((now) => journal.isSnapshotDue(now))).toEqual([false, true]);
  });

  test("drops what is too long and is incomplete until the next snapshot", () => {
    const budget = { usedBytes: 0 };
    const journal = open(budget);
    journal.beginSnapshot().keep(bytes(10), 1, 0);
    for (let call = 0; call < 7; call++) next(journal);
    expect([journal.isComplete, journal.entries, journal.snapshot, budget.usedBytes]).toEqual([
      false,
      [],
      undefined,
      0,
    ]);
    journal.beginSnapshot().keep(bytes(20), 1, 1000);
    expect([journal.isComplete, journal.snapshot?.length, budget.usedBytes]).toEqual([true, 20, 20]);
  });

  test("shares one budget with other sessions, and keeps its entries when there is no room", () => {
    const budget = { usedBytes: 0 };
    const [one, other] = [open(budget), open(budget)];
    one.beginSnapshot().keep(bytes(60), 1, 0);
    next(other);
    other.beginSnapshot().keep(bytes(41), 1, 0);
    expect([other.snapshot, verbs(other), other.isComplete]).toEqual([undefined, ["next"], true]);
    other.beginSnapshot().keep(undefined, 1, 0);
    expect([other.snapshot, verbs(other), other.isComplete]).toEqual([undefined, ["next"], true]);
    expect([one.roomBytes, other.roomBytes]).toEqual([100, 40]);
    one.beginSnapshot().keep(bytes(59), 1, 0);
    other.beginSnapshot().keep(bytes(41), 1, 0);
    expect(budget.usedBytes).toBe(100);
    one.release();
    expect(budget.usedBytes).toBe(41);
  });

  test("keeps the calls that were recorded while the bytes of a snapshot arrived", () => {
    const journal = open();
    push(journal, 0);
    next(journal);
    push(journal, 1);
    const snapshot = journal.beginSnapshot();
    push(journal, 2);
    next(journal);
    expect(verbs(journal)).toEqual(["push 0", "next", "push 1", "push 2", "next"]);
    snapshot.keep(bytes(10), 1, 1000);
    expect([journal.snapshot?.length, verbs(journal)]).toEqual([10, ["push 1", "push 2", "next"]]);
    next(journal);
    snapshot.keep(bytes(20), 1, 1000);
    expect([journal.snapshot?.length, verbs(journal)]).toEqual([10, ["push 1", "push 2", "next", "next"]]);
  });

  test("ignores a snapshot whose bytes arrive after too many calls, or after the end of the session", () => {
    const budget = { usedBytes: 0 };
    const journal = open(budget);
    const late = journal.beginSnapshot();
    for (let call = 0; call < 7; call++) next(journal);
    late.keep(bytes(10), 1, 1000);
    expect([journal.isComplete, journal.snapshot]).toEqual([false, undefined]);
    const last = journal.beginSnapshot();
    journal.release();
    last.keep(bytes(10), 1, 1000);
    expect(budget.usedBytes).toBe(0);
  });

  test("asks for no snapshot when snapshots are off", () => {
    const journal = open(undefined, { maxSnapshotBytes: 0, minCallsBetweenSnapshots: 0 });
    next(journal);
    expect(journal.isSnapshotDue(1e9)).toBe(false);
  });
});
