import type { ReadonlySignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { prepareCanvas } from "./draw-lane.js";
import type { TimelineModel } from "./model.js";
import { ticksOf } from "./ruler.js";
import { themeVersion } from "./theme-version.js";
import { useDrawing } from "./use-drawing.js";
import { type View, xOf } from "./view.js";

export const RULER_HEIGHT_PX = 30;

/** Frame numbers and times, and the range that is being computed. */
export function Ruler({ model, view }: { model: TimelineModel; view: ReadonlySignal<View> }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useDrawing(() => {
    themeVersion().value;
    const shown = view.value;
    const running = model.running.value;
    return () => {
      const element = canvas.current;
      const context = element && prepareCanvas(element, shown.widthPx, RULER_HEIGHT_PX);
      if (!context) return;
      const style = getComputedStyle(element);
      const colour = (name: string) => style.getPropertyValue(`--lane-${name}`).trim();
      context.font = `11px ${style.fontFamily}`;
      context.textBaseline = "top";
      for (const { x, label } of ticksOf(shown, model.timesUs)) {
        const middle = x + Math.min(shown.pxPerFrame, 48) / 2;
        context.fillStyle = colour("track");
        context.fillRect(Math.round(middle), label ? 16 : 24, 1, RULER_HEIGHT_PX);
        if (!label) continue;
        const timeAt = middle + context.measureText(label.frame).width + 10;
        // A label that does not fit is left out: a cut number is another number.
        if (timeAt > shown.widthPx) continue;
        context.fillStyle = colour("text");
        context.fillText(label.frame, middle + 4, 3);
        if (timeAt + context.measureText(label.time).width > shown.widthPx) continue;
        context.fillStyle = colour("muted");
        context.fillText(label.time, timeAt, 3);
      }
      if (running) {
        const x = xOf(shown, running.first);
        context.fillStyle = colour("track");
        context.fillRect(x, RULER_HEIGHT_PX - 3, xOf(shown, running.last + 1) - x, 3);
        const [from, to] =
          running.frame >= running.first ? [running.first, running.frame + 1] : [running.frame, running.last];
        context.fillStyle = colour("locked");
        context.fillRect(xOf(shown, from), RULER_HEIGHT_PX - 3, xOf(shown, to) - xOf(shown, from), 3);
      }
    };
  }, [model, view]);
  return <canvas ref={canvas} class="ruler-canvas" />;
}
