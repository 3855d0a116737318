/** A pointer for the keyboard: while the stage has the focus, the arrow keys move it, and Space or Enter presses. */
import type { Signal } from "@preact/signals";
import type { OpenSession } from "../session/open-session.js";
import { currentTool } from "../tools/current-tool.js";
import type { Gesture, StagePointer } from "../tools/tool.js";
import { type Point, type Size, type StageView, toFrame } from "./coordinates.js";

export interface KeyboardPointerParts {
  element: HTMLElement;
  session: OpenSession;
  view: Signal<StageView>;
  size(): Size;
  pointer: Signal<StagePointer | undefined>;
  /** Where the keyboard points, in CSS pixels of the stage; undefined while the keyboard is used elsewhere. */
  at: Signal<Point | undefined>;
}

const STEP_PX = 10;
const SMALL_STEP_PX = 1;
const DIRECTIONS: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};
/** Tools whose press is complete at once; the others are pressed, moved and released. */
const AT_ONCE = new Set(["click", "polygon"]);

/** Returns the function that stops listening. */
export function listenToStageKeys(parts: KeyboardPointerParts): () => void {
  const { element, session, view, pointer, at } = parts;
  const listening = new AbortController();
  const { signal: stopped } = listening;
  let gesture: Gesture | undefined;

  const read = (place: Point, isNegative: boolean): StagePointer => ({
    at: toFrame(view.peek(), place),
    isNegative,
    isAdding: false,
  });

  function move(place: Point, isNegative: boolean): void {
    const { width, height } = parts.size();
    const inside = {
      x: Math.min(width - 1, Math.max(0, place.x)),
      y: Math.min(height - 1, Math.max(0, place.y)),
    };
    at.value = inside;
    pointer.value = read(inside, isNegative);
    gesture?.move(read(inside, isNegative));
  }

  function press(place: Point, isNegative: boolean): void {
    const here = read(place, isNegative);
    if (gesture) {
      const ended = gesture;
      gesture = undefined;
      ended.end(here);
      return;
    }
    const begun = currentTool.peek().begin(session, here);
    if (AT_ONCE.has(currentTool.peek().id)) begun?.end(here);
    else gesture = begun;
  }

  function end(): void {
    gesture?.cancel();
    gesture = undefined;
    if (at.peek()) pointer.value = undefined;
    at.value = undefined;
  }

  /** Whether the key belongs to the pointer. */
  function use(event: KeyboardEvent): boolean {
    const { key, altKey, ctrlKey, metaKey, shiftKey } = event;
    const place = at.peek();
    if (!place || ctrlKey || metaKey) return false;
    const direction = DIRECTIONS[key];
    if (direction) {
      const step = shiftKey ? SMALL_STEP_PX : STEP_PX;
      move({ x: place.x + direction.x * step, y: place.y + direction.y * step }, altKey);
      return true;
    }
    if (key === "Escape" && gesture) {
      gesture.cancel();
      gesture = undefined;
      return true;
    }
    // Enter closes the outline of a polygon.
    const presses = key === " " || (key === "Enter" && currentTool.peek().id !== "polygon");
    if (!presses || shiftKey) return false;
    press(place, altKey);
    return true;
  }

  element.addEventListener(
    "keydown",
    (event) => {
      if (!use(event)) return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal: stopped },
  );
  element.addEventListener(
    "focus",
    () => {
      const { width, height } = parts.size();
      move({ x: width / 2, y: height / 2 }, false);
    },
    { signal: stopped },
  );
  element.addEventListener("blur", end, { signal: stopped });
  // A mouse does not bring the focus: the arrow keys keep moving through the frames.
  element.addEventListener(
    "mousedown",
    (event) => {
      event.preventDefault();
      if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    },
    { signal: stopped },
  );
  return () => {
    end();
    listening.abort();
  };
}
