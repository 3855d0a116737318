/** Draws a lane to a canvas. Each state has a shape of its own, so that none depends on colour alone. */
import { laneRuns, markPositions } from "./columns.js";
import { FLAG, STATE } from "./lane-states.js";
import type { LaneFacts } from "./model.js";
import { type View, xOf } from "./view.js";

/** Colours of the theme. */
export interface LanePaint {
  track: string;
  muted: string;
  suspect: string;
  locked: string;
  stale: string;
  mark: string;
  markEdge: string;
}

export const LANE_HEIGHT_PX = 26;
const SUSPECT_PX = 4;
const LOCK_PX = 3;
const MARK_RADIUS_PX = 3.5;

let cached: { version: number; paint: LanePaint } | undefined;

/**
 * Reads the colours from custom properties of `timeline.css`.
 * @param version that of the theme. Reading costs a style computation, so it is done once for all lanes.
 */
export function readPaint(element: Element, version: number): LanePaint {
  if (cached?.version === version) return cached.paint;
  const style = getComputedStyle(element);
  const read = (name: string) => style.getPropertyValue(`--lane-${name}`).trim();
  const paint = {
    track: read("track"),
    muted: read("muted"),
    suspect: read("suspect"),
    locked: read("locked"),
    stale: read("stale"),
    mark: read("mark"),
    markEdge: read("mark-edge"),
  };
  cached = { version, paint };
  return paint;
}

/** Gives the canvas the size of the lanes in device pixels, and clears it. */
export function prepareCanvas(
  canvas: HTMLCanvasElement,
  widthPx: number,
  heightPx: number,
): CanvasRenderingContext2D | null {
  const scale = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(widthPx * scale));
  const height = Math.round(heightPx * scale);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  context?.setTransform(scale, 0, 0, scale, 0, 0);
  context?.clearRect(0, 0, widthPx, heightPx);
  return context;
}

export function drawLane(canvas: HTMLCanvasElement, lane: LaneFacts, view: View, paint: LanePaint): void {
  const context = prepareCanvas(canvas, view.widthPx, LANE_HEIGHT_PX);
  if (!context) return;
  const top = SUSPECT_PX + 2;
  const bottom = LANE_HEIGHT_PX - LOCK_PX - 2;
  context.fillStyle = paint.track;
  context.fillRect(0, bottom, view.widthPx, 1);
  context.globalAlpha = lane.hidden ? 0.35 : 1;

  for (const run of laneRuns(lane.states, view)) {
    // Whole pixels: neighbouring stretches show no seam.
    const x = Math.round(run.x);
    const width = Math.max(1, Math.round(run.x + run.width) - x);
    switch (run.state) {
      case STATE.present: {
        const height = 4 + (bottom - top - 4) * (run.score / 255);
        context.fillStyle = lane.colour;
        context.fillRect(x, bottom - height, width, height);
        break;
      }
      case STATE.occluded:
        context.fillStyle = lane.colour;
        context.fillRect(x, (top + bottom) / 2 - 1, width, 2);
        break;
      case STATE.lost:
        dots(context, x, width, bottom - 3, paint.muted);
        break;
      case STATE.absent:
        hatch(context, x, width, top, bottom - top, paint.muted, 5);
        break;
    }
    if (run.flags & FLAG.suspect) {
      // A single suspect frame among thousands is still visible.
      context.fillStyle = paint.suspect;
      context.fillRect(x, 0, Math.max(2, width), SUSPECT_PX);
    }
    if (run.flags & FLAG.locked) {
      context.fillStyle = paint.locked;
      context.fillRect(x, LANE_HEIGHT_PX - LOCK_PX, Math.max(2, width), LOCK_PX);
    }
  }
  context.globalAlpha = 1;
  for (const { first, last } of lane.stale) {
    const x = Math.max(0, xOf(view, first));
    const right = Math.min(view.widthPx, xOf(view, last + 1));
    if (right > x) hatch(context, x, right - x, top, bottom - top, paint.stale, 8, "down");
  }
  drawMarks(context, lane, view, paint, (top + bottom) / 2);
}

function drawMarks(
  context: CanvasRenderingContext2D,
  { states }: LaneFacts,
  view: View,
  paint: LanePaint,
  y: number,
): void {
  context.fillStyle = paint.mark;
  context.strokeStyle = paint.markEdge;
  context.lineWidth = 1.5;
  for (const x of markPositions(states, view, FLAG.prompt, MARK_RADIUS_PX * 2)) {
    context.beginPath();
    context.arc(x, y, MARK_RADIUS_PX, 0, Math.PI * 2);
    context.fill();
    context.stroke();
  }
  for (const x of markPositions(states, view, FLAG.corrected, MARK_RADIUS_PX * 2)) {
    const r = MARK_RADIUS_PX + 1;
    context.beginPath();
    context.moveTo(x, y - r);
    context.lineTo(x + r, y);
    context.lineTo(x, y + r);
    context.lineTo(x - r, y);
    context.closePath();
    context.fill();
    context.stroke();
  }
}

function dots(context: CanvasRenderingContext2D, x: number, width: number, y: number, colour: string): void {
  context.fillStyle = colour;
  const end = x + width;
  for (let at = Math.ceil(x / 5) * 5; at < end; at += 5) context.fillRect(at, y, 2, 2);
}

function hatch(
  context: CanvasRenderingContext2D,
  x: number,
  width: number,
  y: number,
  height: number,
  colour: string,
  distance: number,
  slope: "up" | "down" = "up",
): void {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.beginPath();
  // Lines keep their place when the stretch grows.
  for (let at = Math.floor((x - height) / distance) * distance; at < x + width; at += distance) {
    context.moveTo(at, slope === "up" ? y + height : y);
    context.lineTo(at + height, slope === "up" ? y : y + height);
  }
  context.stroke();
  context.restore();
}
