/** The marks of the ruler: frame numbers and times at round distances. */
import { frameAt, type View, visibleFrames, xOf } from "./view.js";

export interface Tick {
  frame: number;
  x: number;
  /** Absent on minor marks. */
  label?: { frame: string; time: string };
}

/** Smallest distances in pixels. */
const LABEL_DISTANCE_PX = 104;
const MARK_DISTANCE_PX = 8;

/** The smallest number of the series 1, 2, 5, 10, 20, 50, … that is at least `least`. */
export function roundStep(least: number): number {
  let unit = 1;
  for (;;) {
    for (const factor of [1, 2, 5]) {
      if (unit * factor >= least) return unit * factor;
    }
    unit *= 10;
  }
}

/**
 * @param timesUs the time of every frame in microseconds; may be empty for pictures without times
 */
export function ticksOf(view: View, timesUs: ArrayLike<number>): Tick[] {
  const major = roundStep(LABEL_DISTANCE_PX / view.pxPerFrame);
  const minor = [major / 10, major / 5, major / 2].find(
    (step) => Number.isInteger(step) && step * view.pxPerFrame >= MARK_DISTANCE_PX,
  );
  const step = minor ?? major;
  const { first, last } = visibleFrames(view);
  const ticks: Tick[] = [];
  for (let frame = Math.floor(first / step) * step; frame <= last; frame += step) {
    const tick: Tick = { frame, x: xOf(view, frame) };
    if (frame % major === 0) tick.label = { frame: `${frame}`, time: timeText(timesUs[frame]) };
    ticks.push(tick);
  }
  return ticks;
}

/** `1:02:03.450`, without hours when there are none; empty for frames without a time. */
export function timeText(timeUs: number | undefined): string {
  if (timeUs === undefined || !Number.isFinite(timeUs)) return "";
  const sign = timeUs < 0 ? "-" : "";
  const totalMs = Math.round(Math.abs(timeUs) / 1000);
  const ms = `${totalMs % 1000}`.padStart(3, "0");
  const seconds = Math.floor(totalMs / 1000);
  const two = (value: number) => `${value}`.padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const head = hours > 0 ? `${hours}:${two(minutes)}` : `${minutes}`;
  return `${sign}${head}:${two(seconds % 60)}.${ms}`;
}

/** The frame that a pointer at `x` refers to, as text for tooltips. */
export function frameText(view: View, timesUs: ArrayLike<number>, x: number): string {
  const frame = frameAt(view, x);
  const time = timeText(timesUs[frame]);
  return time === "" ? `frame ${frame}` : `frame ${frame} · ${time}`;
}
