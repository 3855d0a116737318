import { signal } from "@preact/signals";
import type { OpenSession } from "../session/open-session.js";
import { boxBetween, type Point, toStage } from "../stage/coordinates.js";
import { outlined } from "../stage/draw.js";
import { sendPrompt } from "./send-prompt.js";
import { addsToSelected, ofObject, selectedObject } from "./target.js";
import type { StagePointer, Tool } from "./tool.js";

const MIN_SIDE_PX = 3;
const drag = signal<{ from: Point; to: Point } | undefined>(undefined);

const targetOfBox = (session: OpenSession, pointer: Pick<StagePointer, "isAdding"> | undefined) =>
  ofObject(session, addsToSelected.value || pointer?.isAdding ? selectedObject(session) : undefined);

/** Drags a box around an object. */
export const boxTool: Tool = {
  id: "box",
  title: "Box",
  key: "B",
  icon: "box",
  cursor: "crosshair",
  hint: (session, pointer) => `Drag a box around ${targetOfBox(session, pointer).name}`,
  target: (session, pointer) => targetOfBox(session, pointer).id,
  begin(session, { at }) {
    drag.value = { from: at, to: at };
    return {
      move: (pointer) => {
        drag.value = { from: at, to: pointer.at };
      },
      cancel() {
        drag.value = undefined;
      },
      end(pointer) {
        drag.value = undefined;
        const box = boxBetween(at, pointer.at, session.video);
        if (box[2] < MIN_SIDE_PX || box[3] < MIN_SIDE_PX) return;
        void sendPrompt(session, {
          title: "Box",
          objectId: targetOfBox(session, pointer).id,
          mark: { kind: "box", box },
          fields: { bounding_boxes: [box], bounding_box_labels: [1] },
        });
      },
    };
  },
  draw({ context, view, session, pointer }) {
    if (!drag.value) return;
    const [x, y, width, height] = boxBetween(drag.value.from, drag.value.to, session.video);
    const corner = toStage(view, { x, y });
    outlined(context, targetOfBox(session, pointer).colour, () => {
      context.beginPath();
      context.rect(corner.x, corner.y, width * view.scale, height * view.scale);
    });
  },
};
