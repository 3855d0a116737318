/** Edits of the page against the real server and the embedded pack. */
import { signal } from "@preact/signals";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { connect, type MaskletClient, type MaskletSession } from "../../clients/typescript/index.js";
import type { Notice } from "../../clients/web/edits/edit-context.js";
import { createSessionTools } from "../../clients/web/edits/session-tools.js";
import { staleOf } from "../../clients/web/edits/stale-frames.js";
import { createOpenSession } from "../../clients/web/session/open-session.js";
import { FLAG, STATE } from "../../clients/web/timeline/lane-states.js";
import type { FrameSource } from "../../clients/web/video/frame-source.js";
import { makeClip } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

const FRAMES = 12;
let server: TestServer;
let client: MaskletClient;
let clip: string;

beforeAll(async () => {
  clip = await makeClip({ name: "edits.mp4", frames: FRAMES });
  server = await startTestServer();
  client = await connect(server.url);
});

afterAll(async () => {
  await client.close();
  await server.close();
});

/** The pictures are not needed here. */
const NO_PICTURES: FrameSource = {
  kind: "jpeg",
  get: () => Promise.reject(new Error("no pictures")),
  peek: () => undefined,
  nearest: () => undefined,
  onPicture: () => () => {},
  prefetch() {},
  dispose() {},
};

const openSession = async (client: MaskletSession, isNew: boolean) =>
  createOpenSession({
    client,
    name: "edits",
    facts: await client.get(),
    frameTimesUs: Float64Array.from({ length: FRAMES }, (_, frame) => frame * 40_000),
    source: NO_PICTURES,
    isNew,
  });

/** The session of the page with two tracked objects, and its commands. */
async function openPage() {
  const started = await client.startSession({ resource_path: clip });
  const session = await openSession(started, true);
  const { width, height } = started.facts;
  const box = (x: number) => [x, 0.2, x + 0.25, 0.2, x + 0.25, 0.7, x, 0.7];
  for (const [obj_id, x] of [
    [0, 0.1],
    [1, 0.6],
  ] as const) {
    const polygon = box(x).map((value, index) => value * (index % 2 === 0 ? width : height));
    await session.requests.addPrompt({ frame_index: 0, obj_id, mask: { polygons: [polygon] } });
  }
  await session.runner.start({ scope: "all", direction: "forward", start: 0, end: FRAMES - 1 });
  const notices: Notice[] = [];
  const { commands, panel } = createSessionTools({
    session,
    running: signal(undefined),
    notify: (notice) => notices.push(notice),
    pauseRun: async () => false,
    resumeRun() {},
    recompute: async () => {},
  });
  const press = async (id: string) => {
    const command = commands.find((one) => one.id === id);
    expect(command?.enabled(), `${id} is enabled`).toBe(true);
    await command?.run();
  };
  return { session, panel, notices, press };
}

type Page = Awaited<ReturnType<typeof openPage>>;

const stateAt = ({ session }: Page, id: number) => [...session.results.states.of(id).state];
const flagsAt = ({ session }: Page, id: number, frame: number) =>
  session.results.states.of(id).flags[frame] as number;
const idsOf = ({ session }: Page) => session.objects.value.map(({ id }) => id);

describe("edits of the page", () => {
  it("locks and unlocks the chosen range, and undoes both", async () => {
    const page = await openPage();
    const isLocked = () => (flagsAt(page, 0, 0) & FLAG.locked) !== 0;
    expect(stateAt(page, 0)[0]).toBe(STATE.present);
    page.session.selected.value = new Set([0]);
    await page.press("lock");
    expect(isLocked()).toBe(true);
    await page.press("unlock");
    expect(isLocked()).toBe(false);
    await page.press("undo");
    expect(isLocked()).toBe(true);
    await page.press("undo");
    expect(isLocked()).toBe(false);
  });

  it("marks an object gone from here to here with two presses of one key; undo brings lanes and masks back", async () => {
    const page = await openPage();
    const { session, press } = page;
    const before = [0, 1].map((id) => stateAt(page, id));
    const masksAt = (frame: number) =>
      session.results.get(frame)?.objects.map(({ id, mask }) => ({ id, mask }));
    const masks = masksAt(6);
    expect(masks).toHaveLength(2);
    session.selected.value = new Set([1]);
    session.frame.value = 8;
    await press("gone");
    session.frame.value = 5;
    await press("gone");
    expect(stateAt(page, 1).slice(4, 10)).toEqual([
      ...[before[1]?.[4], STATE.absent, STATE.absent, STATE.absent, STATE.absent],
      before[1]?.[9],
    ]);
    expect(stateAt(page, 0)).toEqual(before[0]);
    expect(staleOf(session.stale.value, 1).length).toBeGreaterThan(0);
    expect(staleOf(session.stale.value, 0)).toEqual([]);
    // After a reload of the page, the frames are still to be computed.
    const reloaded = await openSession(session.client, false);
    expect(staleOf(reloaded.stale.value, 1)).toEqual(staleOf(session.stale.value, 1));
    reloaded.dispose();
    await press("undo");
    expect([0, 1].map((id) => stateAt(page, id))).toEqual(before);
    expect(masksAt(6)).toEqual(masks);
    expect(staleOf(session.stale.value, 1)).toEqual([]);
  });

  it("takes the marks of a prompt away when the prompt is undone after a reload", async () => {
    const { session } = await openPage();
    const click = (frame: number) => ({
      ...{ frame, objectId: 0, kind: "points" as const, points: [{ x: 20, y: 20, label: 1 as const }] },
    });
    await session.requests.addPrompt({ frame_index: 3, obj_id: 0, points: [[0.2, 0.4]], point_labels: [1] });
    const reloaded = await openSession(session.client, false);
    reloaded.prompts.value = [click(0), click(3), { ...click(3), objectId: 1 }];
    await reloaded.history.undo();
    expect(reloaded.prompts.value).toEqual([click(0), { ...click(3), objectId: 1 }]);
    reloaded.dispose();
  });

  it("undoes a prompt and carries it out again, with the lanes of all frames", async () => {
    const page = await openPage();
    const { session, press } = page;
    const before = stateAt(page, 0);
    await session.requests.addPrompt({ frame_index: 3, obj_id: 5, points: [[0.5, 0.5]], point_labels: [1] });
    session.history.addServerEdit("Click");
    expect(idsOf(page)).toEqual([0, 1, 5]);
    expect(stateAt(page, 5)[3]).toBe(STATE.present);
    await press("undo");
    expect(idsOf(page)).toEqual([0, 1]);
    expect(stateAt(page, 0)).toEqual(before);
    expect(stateAt(page, 5)[3]).toBe(STATE.none);
    await press("redo");
    expect(stateAt(page, 5)[3]).toBe(STATE.present);
    expect(stateAt(page, 0)).toEqual(before);
  });

  it("removes, hides and renames in one order of undo", async () => {
    const page = await openPage();
    const { session, panel, press } = page;
    panel.rename(0, "  ball ");
    await vi.waitFor(() => expect(session.history.state.value.undoTitle).toContain("Rename"));
    panel.setColour([0], "#00ff00");
    session.selected.value = new Set([1]);
    await press("remove");
    expect(session.selected.value.size).toBe(0);
    expect(session.objects.value.map(({ id, name }) => [id, name])).toEqual([[0, "ball"]]);
    await press("undo");
    expect(idsOf(page)).toEqual([0, 1]);
    await press("undo");
    expect(session.views.value.get(0)).toBeUndefined();
    await press("undo");
    expect(session.objects.value[0]?.isNamed).toBe(false);
    await press("redo");
    await press("redo");
    expect((await session.client.get()).objects[0]?.name).toBe("ball");
    expect(session.views.value.get(0)).toEqual({ colour: "#00ff00" });
  });

  it("merges the selected objects into the first one", async () => {
    const page = await openPage();
    const before = [0, 1].map((id) => stateAt(page, id));
    page.session.selected.value = new Set([1, 0]);
    await page.press("merge");
    expect(idsOf(page)).toEqual([1]);
    await page.press("undo");
    expect(idsOf(page)).toEqual([0, 1]);
    expect([0, 1].map((id) => stateAt(page, id))).toEqual(before);
  });

  it("shows the error of the server with what is kept and what to do", async () => {
    const { session, notices, press } = await openPage();
    // Another client of the session removed the object.
    await session.client.removeObject(1);
    const { undoTitle } = session.history.state.value;
    session.selected.value = new Set([1]);
    await press("gone");
    await press("gone");
    const errors = notices.filter(({ kind }) => kind === "error");
    expect(errors).toHaveLength(1);
    expect(errors[0]?.title).toContain("failed");
    expect(errors[0]?.detail).toContain("Nothing was changed. The object no longer exists.");
    expect(session.history.state.value.undoTitle).toBe(undoTitle);
  });

  it("shows only the selected objects, and all again", async () => {
    const { session, press } = await openPage();
    session.selected.value = new Set([0]);
    await press("solo");
    expect(session.views.value.get(1)?.hidden).toBe(true);
    await press("solo");
    expect(session.views.value.get(1)?.hidden).toBeUndefined();
    await press("hide");
    expect(session.views.value.get(0)?.hidden).toBe(true);
    await press("undo");
    await press("undo");
    expect(session.views.value.get(1)?.hidden).toBe(true);
  });
});
