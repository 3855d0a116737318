import { signal } from "@preact/signals";
import type { OpenSession } from "../session/open-session.js";
import { clampTo, type Point, toStage } from "../stage/coordinates.js";
import { outlined } from "../stage/draw.js";
import { sendPrompt } from "./send-prompt.js";
import { addsToSelected, ofObject, selectedObject } from "./target.js";
import type { Tool } from "./tool.js";

const corners = signal<readonly Point[]>([]);

/** A press this near to the first corner closes the polygon, in CSS pixels. */
const CLOSE_PX = 12;

const target = (session: OpenSession) =>
  ofObject(session, addsToSelected.value ? selectedObject(session) : undefined);

function close(session: OpenSession): void {
  const ring = corners.peek();
  if (ring.length < 3) return;
  corners.value = [];
  void sendPrompt(session, {
    title: "Polygon",
    objectId: target(session).id,
    mark: { kind: "mask" },
    fields: { mask: { polygons: [ring.flatMap(({ x, y }) => [x, y])] } },
  });
}

let scale = 1;

/** Corner by corner. Enter, or a press on the first corner, closes it. */
export const polygonTool: Tool = {
  id: "polygon",
  title: "Polygon",
  key: "Y",
  icon: "polygon",
  cursor: "crosshair",
  hint: (session) =>
    corners.value.length === 0
      ? `Draw the outline of ${target(session).name}, corner by corner`
      : "Enter closes the outline, Backspace removes a corner, Escape all of them",
  target: (session) => target(session).id,
  begin(session) {
    return {
      move() {},
      cancel() {},
      end({ at }) {
        const [first] = corners.peek();
        if (
          first &&
          corners.peek().length > 2 &&
          Math.hypot(first.x - at.x, first.y - at.y) * scale < CLOSE_PX
        ) {
          close(session);
        } else corners.value = [...corners.peek(), clampTo(at, session.video)];
      },
    };
  },
  onKey(session, key) {
    if (corners.peek().length === 0) return false;
    if (key === "Enter") close(session);
    else if (key === "Escape") corners.value = [];
    else if (key === "Backspace") corners.value = corners.peek().slice(0, -1);
    else return false;
    return true;
  },
  draw({ context, view, session, pointer }) {
    scale = view.scale;
    const ring = corners.value;
    if (ring.length === 0) return;
    const { colour } = target(session);
    const open = pointer ? [...ring, pointer.at] : ring;
    outlined(context, colour, () => {
      context.beginPath();
      for (const corner of open) {
        const { x, y } = toStage(view, corner);
        context.lineTo(x, y);
      }
    });
    ring.forEach((corner, at) => {
      const { x, y } = toStage(view, corner);
      context.beginPath();
      context.arc(x, y, at === 0 ? 6 : 4, 0, 2 * Math.PI);
      context.fillStyle = at === 0 ? "#ffffff" : colour;
      context.fill();
    });
  },
};
