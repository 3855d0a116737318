/** Edits of the page against the real server and the embedded pack. */
import { computed, signal } from "@preact/signals";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, type MaskletClient, type MaskletSession } from "../../clients/typescript/index.js";
import { editCommands } from "../../clients/web/edits/commands.js";
import type { EditContext, EditedObject, Notice } from "../../clients/web/edits/edit-context.js";
import { openHistory } from "../../clients/web/edits/open-history.js";
import { createPageEdits } from "../../clients/web/edits/page-edits.js";
import { createServerEdits } from "../../clients/web/edits/server-edits.js";
import { type AffectedRange, NO_STALE_FRAMES, staleOf } from "../../clients/web/edits/stale-frames.js";
import { createViewStore } from "../../clients/web/edits/view-state.js";
import { FLAG, type FrameRange, STATE } from "../../clients/web/timeline/lane-states.js";
import { createLaneStore } from "../../clients/web/timeline/lane-store.js";
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

/** Two tracked objects, and everything the page has around them. */
async function openPage() {
  const session = await client.startSession({ resource_path: clip });
  const { width, height } = session.facts;
  const box = (x: number) => [x, 0.2, x + 0.25, 0.2, x + 0.25, 0.7, x, 0.7];
  for (const [obj_id, x] of [
    [0, 0.1],
    [1, 0.6],
  ] as const) {
    const polygon = box(x).map((value, index) => value * (index % 2 === 0 ? width : height));
    await session.addPrompt({ frame_index: 0, obj_id, mask: { polygons: [polygon] } });
  }
  const lanes = createLaneStore(FRAMES);
  const objects = signal<readonly EditedObject[]>([]);
  const notices: Notice[] = [];
  const readStored = async (session: MaskletSession, first: number, last: number) => {
    const range = {
      scope: "stored" as const,
      start_frame_index: first,
      max_frame_num_to_track: last - first,
      propagation_direction: "forward" as const,
      mask_format: "none" as const,
    };
    for await (const frame of session.propagate(range)) lanes.addFrame(frame.frame_index, frame.outputs);
  };
  const refresh = async (affected: readonly AffectedRange[]) => {
    const facts = await session.get();
    lanes.setFacts(facts);
    objects.value = facts.objects.map(({ obj_id: id, name, concept }) => ({ id, name, concept }));
    if (affected.length > 0) await readStored(session, 0, FRAMES - 1);
  };
  for await (const frame of session.propagate({ mask_format: "none" })) {
    lanes.addFrame(frame.frame_index, frame.outputs);
  }
  await refresh([]);
  const { views } = createViewStore();
  const context: EditContext = {
    client: session,
    frame: signal(0),
    selected: signal<ReadonlySet<number>>(new Set()),
    range: signal<FrameRange | undefined>(undefined),
    objects: computed(() => objects.value),
    views,
    history: openHistory({ client: session, refresh }),
    stale: signal(NO_STALE_FRAMES),
    statesOf: lanes.statesOf,
    notify: (notice) => notices.push(notice),
    pauseRun: async () => false,
    resumeRun() {},
    refresh,
  };
  const edits = createServerEdits(context);
  const page = createPageEdits(context);
  const commands = editCommands({
    context,
    server: edits,
    page,
    recompute: async () => {},
    editName: () => {},
  });
  const press = async (id: string) => {
    const command = commands.find((one) => one.id === id);
    expect(command?.enabled(), `${id} is enabled`).toBe(true);
    await command?.run();
  };
  return { session, lanes, context, notices, press, objects, edits, page };
}

const stateAt = (lanes: ReturnType<typeof createLaneStore>, id: number) => [
  ...(lanes.statesOf(id)?.state ?? []),
];

describe("edits of the page", () => {
  it("locks and unlocks the chosen range, and undoes both", async () => {
    const { lanes, context, press } = await openPage();
    expect(stateAt(lanes, 0)[0]).toBe(STATE.present);
    context.selected.value = new Set([0]);
    await press("lock");
    expect((lanes.statesOf(0)?.flags[0] ?? 0) & FLAG.locked).toBe(FLAG.locked);
    await press("unlock");
    expect((lanes.statesOf(0)?.flags[0] ?? 0) & FLAG.locked).toBe(0);
    await press("undo");
    expect((lanes.statesOf(0)?.flags[0] ?? 0) & FLAG.locked).toBe(FLAG.locked);
    await press("undo");
    expect((lanes.statesOf(0)?.flags[0] ?? 0) & FLAG.locked).toBe(0);
  });

  it("marks an object gone from here to here with two presses of one key", async () => {
    const { lanes, context, press } = await openPage();
    context.selected.value = new Set([1]);
    context.frame.value = 8;
    await press("gone");
    context.frame.value = 5;
    await press("gone");
    expect(stateAt(lanes, 1).slice(4, 10)).toEqual([
      ...[stateAt(lanes, 1)[4], STATE.absent, STATE.absent, STATE.absent, STATE.absent],
      stateAt(lanes, 1)[9],
    ]);
    expect(stateAt(lanes, 1)[4]).not.toBe(STATE.absent);
    expect(stateAt(lanes, 1)[9]).not.toBe(STATE.absent);
    expect(staleOf(context.stale.value, 1).length).toBeGreaterThan(0);
    expect(staleOf(context.stale.value, 0)).toEqual([]);
    await press("undo");
    expect(stateAt(lanes, 1)).not.toContain(STATE.absent);
    expect(staleOf(context.stale.value, 1)).toEqual([]);
  });

  it("removes, hides and renames in one order of undo", async () => {
    const { context, press, edits, page, objects, session } = await openPage();
    await edits.rename(0, "  ball ");
    page.setColour([0], "#00ff00");
    context.selected.value = new Set([1]);
    await press("remove");
    expect(context.selected.value.size).toBe(0);
    expect(objects.value.map(({ id, name }) => [id, name])).toEqual([[0, "ball"]]);
    await press("undo");
    expect(objects.value.map(({ id }) => id)).toEqual([0, 1]);
    await press("undo");
    expect(context.views.value.get(0)).toBeUndefined();
    await press("undo");
    expect(objects.value[0]?.name).toBeNull();
    await press("redo");
    await press("redo");
    expect((await session.get()).objects[0]?.name).toBe("ball");
    expect(context.views.value.get(0)).toEqual({ colour: "#00ff00" });
  });

  it("merges the selected objects into the first one", async () => {
    const { lanes, context, press, objects } = await openPage();
    context.selected.value = new Set([1, 0]);
    await press("merge");
    expect(objects.value.map(({ id }) => id)).toEqual([1]);
    expect(lanes.ids.value).toEqual([1]);
    await press("undo");
    expect(lanes.ids.value).toEqual([0, 1]);
  });

  it("shows the error of the server with what is kept and what to do", async () => {
    const { edits, notices, context } = await openPage();
    expect(await edits.markAbsent([7], { first: 0, last: 1 })).toBe(false);
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatchObject({ kind: "error", title: "Gone: object 7 on frames 0 to 1: failed" });
    expect(notices[0]?.detail).toContain("Nothing was changed. The object no longer exists.");
    expect(context.history.state.value.undoTitle).toBeUndefined();
  });

  it("shows only the selected objects, and all again", async () => {
    const { context, press } = await openPage();
    context.selected.value = new Set([0]);
    await press("solo");
    expect(context.views.value.get(1)?.hidden).toBe(true);
    await press("solo");
    expect(context.views.value.get(1)?.hidden).toBeUndefined();
    await press("hide");
    expect(context.views.value.get(0)?.hidden).toBe(true);
    await press("undo");
    await press("undo");
    expect(context.views.value.get(1)?.hidden).toBe(true);
  });
});
