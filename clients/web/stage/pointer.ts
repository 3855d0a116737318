/**
 * Pointers on the stage: mouse, pen and fingers. One finger uses the tool, two zoom and move the picture. A finger that is held
 * still presses as the right button does.
 */
import type { Signal } from "@preact/signals";
import type { OpenSession } from "../session/open-session.js";
import { currentTool } from "../tools/current-tool.js";
import type { Gesture, StagePointer } from "../tools/tool.js";
import { type Point, panBy, type Size, type StageView, toFrame, zoomAt } from "./coordinates.js";

/** A finger that stays so long within so many CSS pixels is held still. */
const HOLD_MS = 450;
const HOLD_PX = 10;

export interface PointerParts {
  element: HTMLElement;
  session: OpenSession;
  view: Signal<StageView>;
  size(): Size;
  fit(): StageView;
  /** Where the pointer is; undefined outside the stage. */
  pointer: Signal<StagePointer | undefined>;
  isPanning: Signal<boolean>;
}

/** Returns the function that stops listening. */
export function listenToStage(parts: PointerParts): () => void {
  const { element, session, view, pointer, isPanning } = parts;
  const listening = new AbortController();
  const on = <K extends keyof HTMLElementEventMap>(
    type: K,
    listener: (event: HTMLElementEventMap[K]) => void,
  ) =>
    element.addEventListener(type, listener as EventListener, { signal: listening.signal, passive: false });
  const down = new Map<number, Point>();
  let gesture: Gesture | undefined;
  let isSpaceDown = false;
  let isRightButton = false;
  let isHeld = false;
  let holding: { from: Point; timer: ReturnType<typeof setTimeout> } | undefined;

  const place = ({ clientX, clientY }: MouseEvent): Point => {
    const { left, top } = element.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  };
  const read = (event: MouseEvent): StagePointer => ({
    at: toFrame(view.peek(), place(event)),
    isNegative: event.altKey || isRightButton || isHeld,
    isAdding: event.shiftKey,
  });

  function startHolding(event: PointerEvent): void {
    const timer = setTimeout(() => {
      isHeld = true;
      pointer.value = read(event);
    }, HOLD_MS);
    holding = { from: place(event), timer };
  }

  function stopHolding(): void {
    clearTimeout(holding?.timer);
    holding = undefined;
  }

  function endGesture(event: PointerEvent, isDone: boolean): void {
    const ended = gesture;
    gesture = undefined;
    isPanning.value = false;
    if (isDone) ended?.end(read(event));
    else ended?.cancel();
  }

  on("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    down.set(event.pointerId, place(event));
    isRightButton = event.button === 2;
    stopHolding();
    if (down.size === 2) {
      endGesture(event, false);
      isPanning.value = true;
      return;
    }
    pointer.value = read(event);
    const pans = event.button === 1 || isSpaceDown;
    gesture = pans ? undefined : currentTool.peek().begin(session, read(event));
    isPanning.value = gesture === undefined;
    if (event.pointerType === "touch") startHolding(event);
    if (event.button === 1) event.preventDefault();
  });

  on("pointermove", (event) => {
    const before = down.get(event.pointerId);
    const now = place(event);
    if (holding && Math.hypot(now.x - holding.from.x, now.y - holding.from.y) > HOLD_PX) stopHolding();
    if (before && isPanning.peek()) {
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
      if (other) pinch(before, now, other);
      else view.value = panBy(view.peek(), now.x - before.x, now.y - before.y, parts.size(), session.video);
    }
    if (before) down.set(event.pointerId, now);
    if (gesture) {
      // A fast stroke has several positions for one displayed frame.
      const positions = event.getCoalescedEvents?.() ?? [];
      for (const one of positions.length > 0 ? positions : [event]) gesture.move(read(one));
    }
    pointer.value = read(event);
  });

  function pinch(before: Point, now: Point, other: Point): void {
    const distance = (a: Point, b: Point) => Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));
    const factor = distance(now, other) / distance(before, other);
    const centre = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
    const moved = panBy(
      view.peek(),
      (now.x - before.x) / 2,
      (now.y - before.y) / 2,
      parts.size(),
      session.video,
    );
    view.value = zoomAt(moved, centre, factor, parts.fit());
  }

  const end = (isDone: boolean) => (event: PointerEvent) => {
    if (!down.delete(event.pointerId)) return;
    stopHolding();
    if (down.size === 0) {
      endGesture(event, isDone);
      isRightButton = false;
      isHeld = false;
      pointer.value = event.pointerType === "touch" ? undefined : read(event);
    }
  };
  on("pointerup", end(true));
  on("pointercancel", end(false));
  on("pointerleave", () => {
    if (down.size === 0) pointer.value = undefined;
  });
  on("contextmenu", (event) => event.preventDefault());
  on("dblclick", () => currentTool.peek().onKey?.(session, "Enter"));
  on("wheel", (event) => {
    event.preventDefault();
    const factor = Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015));
    view.value = zoomAt(view.peek(), place(event), factor, parts.fit());
    pointer.value = read(event);
  });

  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Alt") {
      const here = pointer.peek();
      if (here) pointer.value = { ...here, isNegative: event.type === "keydown" };
      // The browser would move the focus to its menu.
      event.preventDefault();
    }
    if (event.key === "Shift") {
      const here = pointer.peek();
      if (here) pointer.value = { ...here, isAdding: event.type === "keydown" };
    }
    if (event.key === " ") isSpaceDown = event.type === "keydown";
  };
  for (const type of ["keydown", "keyup"] as const) {
    document.addEventListener(type, onKey, { signal: listening.signal });
  }
  return () => {
    stopHolding();
    listening.abort();
  };
}
