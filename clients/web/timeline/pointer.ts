/** Scrubbing, choosing a range, selecting a lane, zoom by wheel, and the tooltip. */
import { batch, type Signal } from "@preact/signals";
import { rangeOf } from "./lane-states.js";
import type { TimelineModel } from "./model.js";
import { frameText } from "./ruler.js";
import { frameSummary } from "./summary.js";
import { frameAt, scrollTo, type View, zoomAt } from "./view.js";

export interface Tip {
  /** CSS pixels of the window. */
  x: number;
  y: number;
  text: string;
}

export interface PointerParts {
  model: TimelineModel;
  view: Signal<View>;
  tip: Signal<Tip | undefined>;
  list: HTMLElement | null;
  ruler: HTMLElement | null;
}

/** Returns a function that stops listening. */
export function listenToPointer({ model, view, tip, list, ruler }: PointerParts): () => void {
  if (!list || !ruler) return () => {};
  const stop = new AbortController();
  const { signal } = stop;
  /** The frame where the drag of a range started; `scrub` while the playhead is dragged. */
  let drag: "scrub" | { from: number } | undefined;
  let pending: number | undefined;
  let request = 0;

  // The lanes and the ruler share their left edge.
  const positionOf = (event: MouseEvent) => event.clientX - ruler.getBoundingClientRect().left;

  /** Pointers move more often than the screen shows. */
  function apply(frame: number): void {
    pending = frame;
    request ||= requestAnimationFrame(() => {
      request = 0;
      if (pending === undefined) return;
      if (drag && drag !== "scrub") model.range.value = rangeOf(drag.from, pending);
      else model.frame.value = pending;
    });
  }

  function press(event: PointerEvent): void {
    if (event.button !== 0) return;
    const target = event.target as Element;
    const x = positionOf(event);
    const id = laneIdOf(target);
    if (id !== undefined) select(id, event.ctrlKey || event.metaKey);
    if (x < 0 || target.closest("button")) return;
    const frame = frameAt(view.value, x);
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    drag = event.shiftKey ? { from: frame } : "scrub";
    tip.value = undefined;
    apply(frame);
  }

  function select(id: number, adds: boolean): void {
    const old = model.selected.value;
    if (!adds) {
      model.selected.value = new Set([id]);
      return;
    }
    const changed = new Set(old);
    if (!changed.delete(id)) changed.add(id);
    model.selected.value = changed;
  }

  function move(event: PointerEvent): void {
    const x = positionOf(event);
    if (drag) apply(frameAt(view.value, x));
    else if (x < 0) tip.value = undefined;
    else tip.value = { x: event.clientX, y: event.clientY, text: tipText(event.target as Element, x) };
  }

  function tipText(target: Element, x: number): string {
    const text = frameText(view.value, model.timesUs, x);
    const id = laneIdOf(target);
    const lane = model.lanes.value.find((one) => one.id === id);
    if (!lane) return text;
    const frame = frameAt(view.value, x);
    return `${lane.name} · ${text} · ${frameSummary(lane.states, frame, model.suspectReason?.(lane.id, frame))}`;
  }

  function end(): void {
    // The last position counts, also when it was not displayed yet.
    cancelAnimationFrame(request);
    request = 0;
    const frame = pending;
    if (drag && frame !== undefined) {
      const ended = drag;
      batch(() => {
        if (ended === "scrub") model.frame.value = frame;
        else model.range.value = rangeOf(ended.from, frame);
      });
    }
    drag = undefined;
    pending = undefined;
  }

  function wheel(event: WheelEvent): void {
    const isOnRuler = ruler?.contains(event.target as Node) ?? false;
    if (event.ctrlKey || event.metaKey || isOnRuler) {
      event.preventDefault();
      view.value = zoomAt(view.value, Math.max(0, positionOf(event)), Math.exp(-event.deltaY / 300));
      return;
    }
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (sideways === 0) return;
    event.preventDefault();
    view.value = scrollTo(view.value, view.value.firstFrame + sideways / view.value.pxPerFrame);
  }

  for (const area of [list, ruler]) {
    area.addEventListener("pointerdown", press, { signal });
    area.addEventListener("pointermove", move, { signal });
    area.addEventListener("pointerup", end, { signal });
    area.addEventListener("pointercancel", end, { signal });
    area.addEventListener(
      "pointerleave",
      () => {
        tip.value = undefined;
      },
      { signal },
    );
    area.addEventListener("wheel", wheel, { signal, passive: false });
  }
  return () => {
    stop.abort();
    cancelAnimationFrame(request);
  };
}

function laneIdOf(target: Element): number | undefined {
  const id = target.closest<HTMLElement>("[data-object]")?.dataset.object;
  return id === undefined ? undefined : Number(id);
}
