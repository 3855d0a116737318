import { signal } from "@preact/signals";
import { unpackMask } from "../../../protocol/packed-mask.js";
import { encodeMask } from "../../typescript/index.js";
import { notify } from "../app/notices.js";
import type { OpenSession } from "../session/open-session.js";
import { type Point, toStage } from "../stage/coordinates.js";
import { emptyMask, isEmpty, paintLine } from "./paint.js";
import { sendPrompt } from "./send-prompt.js";
import { hitObject, ofObject, selectedObject } from "./target.js";
import type { StagePointer, Tool } from "./tool.js";

/** Pixels of the frame. */
export const brushRadius = signal(12);

const stroke = signal<{ points: readonly Point[]; objectId: number | undefined; value: 0 | 1 } | undefined>(
  undefined,
);

/** Painting changes the selected object, or starts a new one; erasing also the object under the pointer. */
function targetId(session: OpenSession, at: Point, value: 0 | 1): number | undefined {
  return selectedObject(session) ?? (value === 0 ? hitObject(session, at) : undefined);
}

function maskOf(session: OpenSession, objectId: number | undefined) {
  const { width, height } = session.video;
  const shown = session.results.get(session.shownFrame.peek());
  const packed = shown?.objects.find(({ id }) => id === objectId)?.mask;
  return packed ? unpackMask(packed) : emptyMask(width, height);
}

function finish(session: OpenSession): void {
  const drawn = stroke.peek();
  stroke.value = undefined;
  if (!drawn) return;
  const { points, objectId, value } = drawn;
  const mask = maskOf(session, objectId);
  points.forEach((point, at) => {
    paintLine(mask, points[Math.max(0, at - 1)] as Point, point, brushRadius.peek(), value);
  });
  if (isEmpty(mask)) {
    notify({
      kind: "info",
      title: "The mask would be empty",
      detail: "Nothing was changed. Mark the object as gone with G where it is not in the picture.",
    });
    return;
  }
  void sendPrompt(session, {
    title: value === 1 ? "Paint" : "Erase",
    objectId,
    mark: { kind: "mask" },
    fields: { mask: { rle: encodeMask(mask.data, mask.width, mask.height) } },
  });
}

function paintTool(value: 0 | 1, tool: Pick<Tool, "id" | "title" | "key" | "icon">): Tool {
  const paintedValue = ({ isNegative }: StagePointer) => (isNegative ? ((1 - value) as 0 | 1) : value);
  return {
    ...tool,
    cursor: "none",
    hint(session, pointer) {
      const action = (pointer ? paintedValue(pointer) : value) === 1 ? "Paint" : "Erase";
      const id = pointer ? targetId(session, pointer.at, paintedValue(pointer)) : selectedObject(session);
      return `${action} ${ofObject(session, id).name}. [ and ] change the size.`;
    },
    target: (session, pointer) => targetId(session, pointer.at, paintedValue(pointer)),
    begin(session, pointer) {
      const strokeValue = paintedValue(pointer);
      const objectId = targetId(session, pointer.at, strokeValue);
      if (strokeValue === 0 && objectId === undefined) {
        notify({ kind: "info", title: "There is nothing to erase here", detail: "Select an object first." });
        return { move() {}, end() {}, cancel() {} };
      }
      stroke.value = { points: [pointer.at], objectId, value: strokeValue };
      return {
        move({ at }) {
          const drawn = stroke.peek();
          if (drawn) stroke.value = { ...drawn, points: [...drawn.points, at] };
        },
        end: () => finish(session),
        cancel() {
          stroke.value = undefined;
        },
      };
    },
    draw({ context, view, session, pointer }) {
      const radius = brushRadius.value * view.scale;
      const drawn = stroke.value;
      if (drawn) {
        const { colour } = ofObject(session, drawn.objectId);
        context.beginPath();
        for (const point of drawn.points) {
          const { x, y } = toStage(view, point);
          context.lineTo(x, y);
        }
        const [first] = drawn.points;
        if (drawn.points.length === 1 && first)
          context.lineTo(toStage(view, first).x + 0.01, toStage(view, first).y);
        context.lineCap = "round";
        context.lineJoin = "round";
        context.lineWidth = 2 * radius;
        context.globalAlpha = 0.5;
        context.strokeStyle = drawn.value === 1 ? colour : "#000000";
        context.stroke();
        context.globalAlpha = 1;
      }
      if (!pointer) return;
      const { x, y } = toStage(view, pointer.at);
      for (const [width, colour] of [
        [3, "rgb(0 0 0 / 60%)"],
        [1.5, paintedValue(pointer) === 1 ? "#ffffff" : "#ff8080"],
      ] as const) {
        context.beginPath();
        context.arc(x, y, Math.max(2, radius), 0, 2 * Math.PI);
        context.lineWidth = width;
        context.strokeStyle = colour;
        context.stroke();
      }
    },
  };
}

export const brushTool = paintTool(1, { id: "brush", title: "Paint", key: "P", icon: "brush" });
export const eraseTool = paintTool(0, { id: "erase", title: "Erase", key: "E", icon: "erase" });

/** Changes the size of the brush by a step. */
export function resizeBrush(direction: 1 | -1): void {
  const next = brushRadius.peek() * (direction > 0 ? 1.25 : 0.8);
  brushRadius.value = Math.min(200, Math.max(1, Math.round(next * 10) / 10));
}
