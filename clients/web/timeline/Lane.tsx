import { effect, type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { drawLane, LANE_HEIGHT_PX, readPaint } from "./draw-lane.js";
import type { LaneFacts, TimelineModel } from "./model.js";
import { laneSummary } from "./summary.js";
import { themeVersion } from "./theme-version.js";
import { useDrawing } from "./use-drawing.js";
import type { View } from "./view.js";

const SUMMARY_MS = 1000;

export interface LaneProps {
  model: TimelineModel;
  lane: LaneFacts;
  /** Position among all lanes, from 0. */
  index: number;
  isSelected: boolean;
  /** Whether the Tab key reaches this lane; the arrow keys reach the others. */
  isTabStop: boolean;
  view: ReadonlySignal<View>;
}

/** One object: its name, and its states over time. */
export function Lane({ model, lane, index, isSelected, isTabStop, view }: LaneProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useDrawing(() => {
    const theme = themeVersion().value;
    model.version.value;
    const shown = view.value;
    return () => {
      const element = canvas.current;
      if (element) drawLane(element, lane, shown, readPaint(element, theme));
    };
  }, [lane, model, view]);

  // Reading all frames costs more than drawing them: the text follows at most once a second.
  const summary = useSignal("");
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const update = () => {
      timer = undefined;
      summary.value = laneSummary(lane.name, lane.states);
    };
    update();
    const stop = effect(() => {
      void model.version.value;
      timer ??= setTimeout(update, SUMMARY_MS);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [lane.name, lane.states, model]);

  return (
    <div
      class="lane"
      role="row"
      tabIndex={isTabStop ? 0 : -1}
      aria-rowindex={index + 1}
      aria-selected={isSelected}
      data-object={lane.id}
      style={{ height: `${LANE_HEIGHT_PX}px` }}
    >
      <div class="lane-name" role="rowheader" title={lane.name}>
        <span class="lane-swatch" style={{ background: lane.colour }} aria-hidden="true" />
        <span class="lane-text">{lane.name}</span>
      </div>
      <div class="lane-track" role="gridcell" aria-label={summary.value}>
        <canvas ref={canvas} class="lane-canvas" />
      </div>
    </div>
  );
}
