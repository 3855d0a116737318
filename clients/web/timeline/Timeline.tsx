import { effect, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { LANE_HEIGHT_PX } from "./draw-lane.js";
import { Lane } from "./Lane.js";
import type { TimelineModel } from "./model.js";
import { listenToPointer, type Tip } from "./pointer.js";
import { Ruler } from "./Ruler.js";
import { timeText } from "./ruler.js";
import { rangeText } from "./summary.js";
import { fitAll, resized, reveal, type View, visibleFrames, xOf, zoomAt } from "./view.js";
import { rowWindow } from "./virtual-rows.js";
import "./timeline.css";

/** Lanes of all objects with a ruler and a playhead. Fills the element that contains it. */
export function Timeline({ model }: { model: TimelineModel }) {
  const view = useSignal<View>(fitAll(model.numFrames, 1));
  const scrollTop = useSignal(0);
  const viewportPx = useSignal(200);
  const tip = useSignal<Tip | undefined>(undefined);
  const rows = useRef<HTMLDivElement>(null);
  const tracks = useRef<HTMLDivElement>(null);
  const playhead = useRef<HTMLDivElement>(null);
  const rangeMark = useRef<HTMLDivElement>(null);
  const slider = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const area = tracks.current as HTMLDivElement;
    const list = rows.current as HTMLDivElement;
    const observer = new ResizeObserver(() => {
      view.value = resized(view.value, area.clientWidth);
      viewportPx.value = list.clientHeight;
    });
    observer.observe(area);
    observer.observe(list);
    return () => observer.disconnect();
  }, []);

  useEffect(() => listenToPointer({ model, view, tip, list: rows.current, ruler: slider.current }), [model]);

  // The playhead and the range move without a new rendering.
  useEffect(
    () =>
      effect(() => {
        const shown = view.value;
        const frame = model.frame.value;
        const head = playhead.current;
        // The timeline is being removed: a last change of the frame arrives without its elements.
        if (!head) return;
        head.style.transform = `translateX(${xOf(shown, frame)}px)`;
        head.style.width = `${Math.max(1, shown.pxPerFrame)}px`;
        head.hidden = frame < visibleFrames(shown).first || frame > visibleFrames(shown).last;
        const handle = slider.current as HTMLDivElement;
        handle.setAttribute("aria-valuenow", `${frame}`);
        handle.setAttribute("aria-valuetext", spokenFrame(model, frame));
        const mark = rangeMark.current as HTMLDivElement;
        const range = model.range.value;
        mark.hidden = range === undefined;
        if (!range) return;
        const left = Math.max(0, xOf(shown, range.first));
        mark.style.transform = `translateX(${left}px)`;
        mark.style.width = `${Math.max(2, Math.min(shown.widthPx, xOf(shown, range.last + 1)) - left)}px`;
      }),
    [model],
  );
  useEffect(
    () =>
      effect(() => {
        const frame = model.frame.value;
        if (view.peek().widthPx > 1) view.value = reveal(view.peek(), frame);
      }),
    [model],
  );

  const zoom = (factor: number) => {
    view.value = zoomAt(view.value, xOf(view.value, model.frame.value), factor);
  };
  const lanes = model.lanes.value;
  const { first, end, offsetPx, totalPx } = rowWindow(
    lanes.length,
    LANE_HEIGHT_PX,
    scrollTop.value,
    viewportPx.value,
  );
  const selected = model.selected.value;
  const tabStop = lanes.find(({ id }) => selected.has(id))?.id ?? lanes[0]?.id;

  return (
    <section class="timeline" aria-label="Timeline">
      <div class="timeline-head">
        <div class="timeline-tools">
          <button
            type="button"
            aria-label="Zoom out"
            title="Zoom out (Ctrl + wheel)"
            onClick={() => zoom(0.5)}
          >
            −
          </button>
          <button type="button" aria-label="Zoom in" title="Zoom in (Ctrl + wheel)" onClick={() => zoom(2)}>
            +
          </button>
          <button
            type="button"
            title="Show all frames"
            onClick={() => {
              view.value = fitAll(model.numFrames, view.value.widthPx);
            }}
          >
            Fit
          </button>
          <RangeLabel model={model} />
        </div>
        <div
          ref={slider}
          class="timeline-ruler"
          role="slider"
          tabIndex={0}
          aria-label="Frame"
          aria-valuemin={0}
          aria-valuemax={model.numFrames - 1}
          aria-valuenow={0}
          onKeyDown={(event) => moveByKey(event, model)}
        >
          <Ruler model={model} view={view} />
        </div>
      </div>
      <div
        ref={rows}
        class="timeline-rows"
        onScroll={(event) => {
          scrollTop.value = event.currentTarget.scrollTop;
        }}
      >
        <div
          class="timeline-content"
          role="grid"
          aria-label="Objects over time"
          aria-rowcount={lanes.length}
          aria-multiselectable="true"
          onKeyDown={(event) => selectByKey(event, model, rows.current as HTMLElement)}
          style={{ height: `${totalPx}px` }}
        >
          <div role="rowgroup" style={{ transform: `translateY(${offsetPx}px)` }}>
            {lanes.slice(first, end).map((lane, position) => (
              <Lane
                key={lane.id}
                model={model}
                lane={lane}
                index={first + position}
                isSelected={selected.has(lane.id)}
                isTabStop={lane.id === tabStop}
                view={view}
              />
            ))}
          </div>
        </div>
        {lanes.length === 0 && <p class="timeline-empty">Objects appear here, one lane each.</p>}
      </div>
      <div ref={tracks} class="timeline-overlay" aria-hidden="true">
        <div ref={rangeMark} class="timeline-range" hidden />
        <div ref={playhead} class="timeline-playhead" />
      </div>
      {tip.value && (
        <div
          class="timeline-tip"
          role="tooltip"
          style={{ left: `${tip.value.x}px`, top: `${tip.value.y}px` }}
        >
          {tip.value.text}
        </div>
      )}
    </section>
  );
}

function RangeLabel({ model }: { model: TimelineModel }) {
  const range = model.range.value;
  if (!range) return null;
  return (
    <span class="timeline-range-label">
      {range.first}–{range.last}
      <button
        type="button"
        aria-label={`Clear the range, ${rangeText(range)}`}
        title="Clear the range"
        onClick={() => {
          model.range.value = undefined;
        }}
      >
        ×
      </button>
    </span>
  );
}

function spokenFrame({ numFrames, timesUs }: TimelineModel, frame: number): string {
  const time = timeText(timesUs[frame]);
  return `frame ${frame} of ${numFrames}${time ? `, ${time}` : ""}`;
}

const KEY_STEPS: Record<string, (frame: number, last: number) => number> = {
  ArrowLeft: (frame) => frame - 1,
  ArrowDown: (frame) => frame - 1,
  ArrowRight: (frame) => frame + 1,
  ArrowUp: (frame) => frame + 1,
  PageDown: (frame) => frame - 10,
  PageUp: (frame) => frame + 10,
  Home: () => 0,
  End: (_, last) => last,
};

function moveByKey(event: KeyboardEvent, { frame, numFrames }: TimelineModel): void {
  const step = KEY_STEPS[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  frame.value = Math.min(numFrames - 1, Math.max(0, step(frame.value, numFrames - 1)));
}

/** The arrow keys select the lane above or below. */
function selectByKey(event: KeyboardEvent, { lanes, selected }: TimelineModel, list: HTMLElement): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  const from = Number((event.target as Element).closest<HTMLElement>("[data-object]")?.dataset.object);
  const index = lanes.value.findIndex(({ id }) => id === from);
  const next = lanes.value[index + step];
  if (step === 0 || index < 0 || !next) return;
  event.preventDefault();
  event.stopPropagation();
  selected.value = new Set([next.id]);
  const top = (index + step) * LANE_HEIGHT_PX;
  list.scrollTop = Math.min(top, Math.max(list.scrollTop, top + LANE_HEIGHT_PX - list.clientHeight));
  // The row may be rendered only after the scroll.
  requestAnimationFrame(() => list.querySelector<HTMLElement>(`[data-object="${next.id}"]`)?.focus());
}
