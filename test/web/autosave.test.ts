import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MaskletError } from "../../clients/typescript/errors.js";
import { createAutosave, MAX_WAIT_MS, QUIET_MS } from "../../clients/web/keep/autosave.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type Save = (attempt: number) => Promise<{ saved_id: string }>;

function setUp(save: Save = async (attempt) => ({ saved_id: `file-${attempt}` })) {
  let attempts = 0;
  const removed: string[] = [];
  const saved: string[] = [];
  const counted = vi.fn(async () => save(++attempts));
  const autosave = createAutosave({
    save: counted,
    remove: async (id) => void removed.push(id),
    onSaved: (id) => void saved.push(id),
  });
  return { autosave, removed, saved, save: counted };
}

it("saves once after several changes, and deletes the earlier file afterwards", async () => {
  const { autosave, removed, saved, save } = setUp();
  autosave.changed();
  await vi.advanceTimersByTimeAsync(QUIET_MS - 1);
  autosave.changed();
  expect(autosave.state.value).toEqual({ kind: "changed" });
  await vi.advanceTimersByTimeAsync(QUIET_MS - 1);
  expect(save).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect([save.mock.calls.length, saved, removed]).toEqual([1, ["file-1"], []]);
  expect(autosave.state.value).toEqual({ kind: "saved" });

  autosave.changed();
  await vi.advanceTimersByTimeAsync(QUIET_MS);
  expect([saved, removed]).toEqual([["file-1", "file-2"], ["file-1"]]);
});

it("saves during a long run of changes", async () => {
  const { autosave, save } = setUp();
  for (let ms = 0; ms < MAX_WAIT_MS; ms += 500) {
    autosave.changed();
    await vi.advanceTimersByTimeAsync(500);
  }
  expect(save.mock.calls.length).toBe(1);
});

it("saves again what changed while a file was written", async () => {
  const finish: (() => void)[] = [];
  const { autosave, save } = setUp(async (n) => {
    await new Promise<void>((resolve) => finish.push(resolve));
    return { saved_id: `file-${n}` };
  });
  autosave.changed();
  await vi.advanceTimersByTimeAsync(QUIET_MS);
  autosave.changed();
  expect(autosave.state.value).toEqual({ kind: "saving" });
  finish.shift()?.();
  await vi.advanceTimersByTimeAsync(0);
  expect(autosave.state.value).toEqual({ kind: "changed" });
  await vi.advanceTimersByTimeAsync(QUIET_MS);
  expect(save).toHaveBeenCalledTimes(2);
});

it("reports a full disk, keeps the earlier file, and tries again", async () => {
  let isFull = false;
  const { autosave, removed } = setUp(async (n) => {
    if (isFull) throw new MaskletError({ code: "disk_full", message: "no room", retryable: false });
    return { saved_id: `file-${n}` };
  });
  autosave.changed();
  await vi.advanceTimersByTimeAsync(QUIET_MS);
  isFull = true;
  autosave.changed();
  await vi.advanceTimersByTimeAsync(QUIET_MS);
  expect(autosave.state.value).toEqual({ kind: "failed", message: "No room.", code: "disk_full" });
  expect(removed).toEqual([]);
  isFull = false;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(autosave.state.value).toEqual({ kind: "saved" });
  expect(removed).toEqual(["file-1"]);
});

it("does not repeat a failure that lasts", async () => {
  const { autosave, save } = setUp(async () => {
    throw new MaskletError({ code: "wrong_session_kind", message: "live", retryable: false });
  });
  autosave.changed();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(save).toHaveBeenCalledTimes(1);
});
