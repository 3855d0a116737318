/** A timeline with synthetic states, for measuring and for looking at it. `?objects=50&frames=10000` */
import { signal } from "@preact/signals";
import { h, render } from "preact";
import { ObjectPanel } from "../../objects/ObjectPanel.js";
import { FLAG, type FrameRange, type LaneStates, STATE } from "../lane-states.js";
import type { LaneFacts, RunningRange, TimelineModel } from "../model.js";
import { Timeline } from "../Timeline.js";

const query = new URLSearchParams(location.search);
const numObjects = Number(query.get("objects") ?? 50);
const numFrames = Number(query.get("frames") ?? 10_000);
const theme = query.get("theme");
if (theme) document.documentElement.dataset.theme = theme;

const COLOURS = ["#e8590c", "#2f9e44", "#1971c2", "#9c36b5", "#e03131", "#0c8599", "#f08c00", "#6741d9"];
const NAMES = ["ball", "dog", "cyclist in a red jacket", "van", "player 7", "goalkeeper"];

/** A fixed sequence, so that every run draws the same. */
let seed = 7;
function random(): number {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed / 2_147_483_648;
}

function states(): LaneStates {
  const state = new Uint8Array(numFrames);
  const flags = new Uint8Array(numFrames);
  const score = new Uint8Array(numFrames);
  let frame = 0;
  while (frame < numFrames) {
    const length = Math.ceil(random() * numFrames * 0.12) + 1;
    const kind = random();
    const value =
      kind < 0.72 ? STATE.present : kind < 0.84 ? STATE.occluded : kind < 0.92 ? STATE.lost : STATE.absent;
    const end = Math.min(numFrames, frame + length);
    state.fill(value, frame, end);
    if (value === STATE.present) {
      for (let at = frame; at < end; at++) score[at] = 150 + 105 * Math.sin(at / 37) ** 2;
      if (random() < 0.3) for (let at = frame; at < Math.min(end, frame + 8); at++) flags[at] = FLAG.suspect;
      if (random() < 0.25) {
        const until = Math.min(end, frame + length / 2);
        for (let at = frame; at < until; at++) flags[at] = (flags[at] as number) | FLAG.locked;
      }
      flags[frame] = (flags[frame] as number) | (random() < 0.7 ? FLAG.prompt : FLAG.corrected);
    }
    frame = end;
  }
  return { state, flags, score };
}

const lanes: LaneFacts[] = Array.from({ length: numObjects }, (_, id) => ({
  id,
  name: `${NAMES[id % NAMES.length]} ${id}`,
  colour: COLOURS[id % COLOURS.length] as string,
  hidden: id % 9 === 8,
  states: states(),
  stale: id === 2 ? [{ first: Math.floor(numFrames * 0.4), last: Math.floor(numFrames * 0.52) }] : [],
}));

const version = signal(0);
const model: TimelineModel = {
  numFrames,
  timesUs: Float64Array.from({ length: numFrames }, (_, frame) => (frame * 1_001_000_000) / 30_000),
  frame: signal(Math.floor(numFrames / 3)),
  selected: signal<ReadonlySet<number>>(new Set([1])),
  lanes: signal(lanes),
  version,
  range: signal<FrameRange | undefined>(undefined),
  running: signal<RunningRange | undefined>(
    query.has("running") ? { first: 0, last: numFrames - 1, frame: Math.floor(numFrames * 0.6) } : undefined,
  ),
};

const ignore = () => {};
const panel = {
  ...model,
  objects: signal(
    lanes.map((lane) => ({
      ...lane,
      concept: lane.id % 6 === 1 ? "dog" : null,
      group: lane.id % 6 === 4 ? "team A" : undefined,
    })),
  ),
  concepts: signal(["dog"]),
  editing: signal<number | undefined>(undefined),
  rename: ignore,
  setColour: ignore,
  setGroup: ignore,
  toggleHidden: ignore,
  solo: ignore,
  remove: ignore,
  toggleLock: ignore,
  removeConcept: ignore,
};
render(h(ObjectPanel, { model: panel }), document.getElementById("objects") as HTMLElement);
render(h(Timeline, { model }), document.getElementById("timeline") as HTMLElement);

/**
 * Moves the pointer once per displayed frame for some seconds.
 * @param isRunning each displayed frame also brings the results of a video frame, as during a run
 * @returns how long the frames took, in milliseconds
 */
async function scrub(seconds: number, isRunning: boolean): Promise<number[]> {
  const ruler = document.querySelector(".timeline-ruler") as HTMLElement;
  // The pointer of an event that a script made cannot be captured.
  ruler.setPointerCapture = () => {};
  const { left, width, top } = ruler.getBoundingClientRect();
  const point = (type: string, x: number) =>
    ruler.dispatchEvent(
      new PointerEvent(type, { clientX: left + x, clientY: top + 10, bubbles: true, pointerId: 1 }),
    );
  const times: number[] = [];
  point("pointerdown", 0);
  const start = performance.now();
  let last = start;
  for (;;) {
    const now = await new Promise<number>((resolve) => requestAnimationFrame(resolve));
    times.push(now - last);
    last = now;
    const elapsed = (now - start) / 1000;
    if (elapsed > seconds) break;
    point("pointermove", width * (0.5 + 0.5 * Math.sin(elapsed * 2)));
    if (isRunning) {
      for (const { states } of lanes) {
        states.state[times.length] = STATE.present;
        states.score[times.length] = 200;
      }
      version.value++;
    }
  }
  point("pointerup", 0);
  return times.slice(1);
}

function zoomIn(): void {
  for (let turn = 0; turn < 12; turn++) {
    document.querySelector(".timeline-rows")?.dispatchEvent(
      new WheelEvent("wheel", {
        deltaY: -100,
        ctrlKey: true,
        clientX: 700,
        bubbles: true,
        cancelable: true,
      }),
    );
  }
}

const usedBytes = () =>
  (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize;

/** The script that measures calls these. */
Object.assign(window, { bench: { scrub, zoomIn, usedBytes } });
