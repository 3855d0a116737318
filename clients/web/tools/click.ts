import { notify } from "../app/notices.js";
import { isInside, toStage } from "../stage/coordinates.js";
import { sendPrompt } from "./send-prompt.js";
import { targetOf } from "./target.js";
import type { Tool } from "./tool.js";

/** Clicks on an object: this, or with Alt, the right button or a finger held still not this. */
export const clickTool: Tool = {
  id: "click",
  title: "Click",
  key: "C",
  icon: "click",
  cursor: "crosshair",
  hint(session, pointer) {
    if (!pointer) return "Click on an object. Alt, right button or a finger held still: not this.";
    const target = targetOf(session, pointer.at, pointer);
    if (target.id === undefined && !pointer.isNegative) return "Mark a new object";
    return pointer.isNegative ? `Remove from ${target.name}` : `Add to ${target.name}`;
  },
  target: (session, pointer) => targetOf(session, pointer.at, pointer).id,
  begin(session, { at }) {
    if (!isInside(at, session.video)) return undefined;
    return {
      move() {},
      cancel() {},
      end({ at: released, isNegative, isAdding }) {
        if (!isInside(released, session.video)) return;
        const target = targetOf(session, released, { isNegative, isAdding });
        if (target.id === undefined && isNegative) {
          notify({
            kind: "info",
            title: "There is no object to correct here",
            detail: "Click on an object first, then mark what does not belong to it.",
          });
          return;
        }
        const label = isNegative ? 0 : 1;
        void sendPrompt(session, {
          title: isNegative ? "Negative click" : "Click",
          objectId: target.id,
          mark: { kind: "points", points: [{ ...released, label }] },
          fields: {
            points: [[released.x, released.y]],
            point_labels: [label],
            // Clicks accumulate.
            clear_old_points: false,
            clear_old_boxes: false,
          },
        });
      },
    };
  },
  draw({ context, view, session, pointer }) {
    if (!pointer || !isInside(pointer.at, session.video)) return;
    const { colour } = targetOf(session, pointer.at, pointer);
    const { x, y } = toStage(view, pointer.at);
    context.beginPath();
    context.arc(x + 14, y + 14, 7, 0, 2 * Math.PI);
    context.fillStyle = pointer.isNegative ? "#1b1d22" : colour;
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = pointer.isNegative ? colour : "#ffffff";
    context.stroke();
    context.beginPath();
    context.moveTo(x + 11, y + 14);
    context.lineTo(x + 17, y + 14);
    if (!pointer.isNegative) {
      context.moveTo(x + 14, y + 11);
      context.lineTo(x + 14, y + 17);
    }
    context.strokeStyle = pointer.isNegative ? "#ffffff" : "#000000";
    context.stroke();
  },
};
