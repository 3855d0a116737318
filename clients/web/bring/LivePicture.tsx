import { useSignal, useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { countText } from "../app/count-text.js";
import { notify } from "../app/notices.js";
import { explainFailure } from "../edits/explain.js";
import type { FrameResult } from "../results/frame-result.js";
import { defaultName, type ObjectFacts } from "../session/objects.js";
import { colourOf } from "../session/palette.js";
import { drawScene } from "../stage/draw.js";
import type { LiveMasks } from "./live-masks.js";

const NOTHING: ReadonlySet<number> = new Set();

/** The picture of the camera with its masks, where objects are marked. */
export function LivePicture({ masks }: { masks: LiveMasks }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const text = useSignal("");
  const count = useSignal(0);
  const { width, height } = masks.size;

  useSignalEffect(() => {
    const frame = masks.shown.value;
    const context = canvas.current?.getContext("2d");
    if (!context || !frame) return;
    count.value = frame.result.objects.length;
    drawScene(context, masks.size, 1, {
      frame: masks.size,
      view: { scale: 1, x: 0, y: 0 },
      picture: frame.picture,
      result: frame.result,
      objects: objectsOf(frame.result),
      selected: NOTHING,
      hovered: undefined,
      isMoving: false,
      marks: [],
      pending: [],
      colourOf,
    });
  });

  const send = (title: string, request: Promise<void>) =>
    request.catch((error) => notify({ kind: "error", ...explainFailure(title, error) }));
  const click = (event: MouseEvent, isNegative: boolean) => {
    event.preventDefault();
    const box = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
    const at = {
      x: ((event.clientX - box.left) / box.width) * width,
      y: ((event.clientY - box.top) / box.height) * height,
    };
    void send("Click", masks.click(at, isNegative));
  };

  return (
    <>
      <canvas
        ref={canvas}
        class="camera-picture"
        width={width}
        height={height}
        role="img"
        aria-label={`Camera with the masks of ${countText(count.value, "object")}`}
        data-testid="camera"
        onClick={(event) => click(event, event.altKey)}
        onContextMenu={(event) => click(event, true)}
      />
      <form
        class="camera-phrase"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          const phrase = text.value.trim();
          if (phrase === "") return;
          text.value = "";
          void send(`Find “${phrase}”`, masks.find(phrase));
        }}
      >
        <input
          class="field"
          maxLength={200}
          aria-label="Find objects by a phrase"
          placeholder="Click on an object, or type a phrase"
          value={text.value}
          onInput={({ currentTarget }) => {
            text.value = currentTarget.value;
          }}
        />
        <button type="submit" class="button" disabled={text.value.trim() === ""}>
          Find
        </button>
        <output class="muted number" aria-live="off">
          {countText(count.value, "object")}
        </output>
      </form>
    </>
  );
}

/** A live session stores nothing, so the names come from the frame itself. */
function objectsOf({ states }: FrameResult): ObjectFacts[] {
  return states.map(({ obj_id: id, prompt }) => {
    const concept = prompt?.concept ?? undefined;
    return {
      ...{ id, concept, hidden: false, isNamed: false, group: undefined, locked: [], absent: [] },
      name: defaultName(id, concept),
      colour: colourOf(id),
    };
  });
}
