import { effect, signal, useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { addCommands } from "../app/commands.js";
import type { OpenSession } from "../session/open-session.js";
import { colourOf } from "../session/palette.js";
import { marksOn } from "../session/prompts.js";
import { currentTool } from "../tools/current-tool.js";
import { PromptBar } from "../tools/PromptBar.js";
import { pendingPrompts } from "../tools/send-prompt.js";
import type { StagePointer } from "../tools/tool.js";
import { CompareBar } from "./CompareBar.js";
import { fitView, isInside, type Point, type Size, type StageView, zoomAt } from "./coordinates.js";
import { drawScene } from "./draw.js";
import { listenToStageKeys } from "./keyboard-pointer.js";
import { followPicture } from "./picture.js";
import { listenToStage } from "./pointer.js";
import { prepareFrames } from "./prepare-frames.js";

/** A frame that stays this long is drawn with smooth outlines. */
const REST_MS = 120;

/** The picture of the frame with its masks and prompts, where tools are used. */
export function Stage({ session }: { session: OpenSession }) {
  const area = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const view = useSignal<StageView>({ scale: 1, x: 0, y: 0 });
  const size = useSignal<Size>({ width: 1, height: 1 });
  const pointer = useSignal<StagePointer | undefined>(undefined);
  const isPanning = useSignal(false);
  const isWaiting = useSignal(false);
  const cross = useSignal<Point | undefined>(undefined);

  useEffect(() => {
    const element = area.current as HTMLDivElement;
    const target = canvas.current as HTMLCanvasElement;
    const context = target.getContext("2d") as CanvasRenderingContext2D;
    const frame = session.video;
    const fitted = () => fitView(size.peek(), frame);
    /** The view that `fit` made last; another one is the choice of the person. */
    let lastFit: StageView | undefined;
    const fitAgain = () => {
      lastFit = fitted();
      view.value = lastFit;
    };

    const observer = new ResizeObserver(() => {
      const { clientWidth: width, clientHeight: height } = element;
      const ratio = window.devicePixelRatio;
      target.width = Math.max(1, Math.round(width * ratio));
      target.height = Math.max(1, Math.round(height * ratio));
      size.value = { width, height };
      if (!lastFit || view.peek() === lastFit) fitAgain();
    });
    observer.observe(element);

    const picture = followPicture(session);
    const stopPreparing = prepareFrames(session);
    const stopListening = listenToStage({
      element: target,
      session,
      view,
      size: () => size.peek(),
      fit: fitted,
      pointer,
      isPanning,
    });

    const stopKeys = listenToStageKeys({
      ...{ element: target, session, view, pointer, at: cross },
      size: () => size.peek(),
    });

    let request = 0;
    let draw = () => {};
    let lastShown = -1;
    let movedAt = Number.NEGATIVE_INFINITY;
    /** Grows when the frame rests. */
    const rests = signal(0);
    let restTimer: ReturnType<typeof setTimeout> | undefined;
    const stopDrawing = effect(() => {
      const current = view.value;
      void picture.version.value;
      void session.results.version.value;
      isWaiting.value = picture.isWaiting.value;
      const shown = session.shownFrame.value;
      void rests.value;
      if (shown !== lastShown) {
        lastShown = shown;
        movedAt = performance.now();
        clearTimeout(restTimer);
        restTimer = setTimeout(() => {
          rests.value++;
        }, REST_MS);
      }
      const { comparison } = session;
      const result = session.results.get(shown);
      const objects = session.objects.value;
      const here = pointer.value;
      const tool = currentTool.value;
      const colours = new Map(objects.map(({ id, colour }) => [id, colour]));
      const scene = {
        frame,
        objects,
        view: current,
        picture: picture.canvas(),
        result: result && comparison.showsBefore.value ? comparison.before(result) : result,
        selected: session.selected.value,
        hovered: here && isInside(here.at, frame) ? tool.target(session, here) : undefined,
        marks: marksOn(session.prompts.value, shown),
        pending: marksOn(pendingPrompts.value, shown),
        colourOf: (id: number) => colours.get(id) ?? colourOf(id),
        isMoving: performance.now() - movedAt < REST_MS - 1,
      };
      const stage = size.value;
      draw = () => {
        drawScene(context, stage, window.devicePixelRatio, scene);
        tool.draw?.({ context, view: current, session, pointer: here });
      };
      // Reads the signals of the tool, so that they draw again too.
      tool.draw?.({ context: nowhere(), view: current, session, pointer: here });
      request ||= requestAnimationFrame(() => {
        request = 0;
        draw();
      });
    });

    const zoom = (factor: number) => {
      const centre = { x: size.peek().width / 2, y: size.peek().height / 2 };
      view.value = zoomAt(view.peek(), centre, factor, fitted());
    };
    const removeCommands = addCommands([
      ...(
        [
          ["zoom-fit", "Fit the picture", ["0"], fitAgain],
          ["zoom-in", "Zoom in", ["+", "="], () => zoom(1.4)],
          ["zoom-out", "Zoom out", ["-"], () => zoom(1 / 1.4)],
        ] as const
      ).map(([id, title, keys, run]) => ({
        ...{ id, title, keys, run },
        group: "See" as const,
        enabled: () => true,
      })),
    ]);
    return () => {
      observer.disconnect();
      stopDrawing();
      stopListening();
      stopKeys();
      picture.stop();
      stopPreparing();
      removeCommands();
      clearTimeout(restTimer);
      cancelAnimationFrame(request);
    };
  }, [session]);

  const cursor = useComputed(() => (isPanning.value ? "grabbing" : currentTool.value.cursor));
  return (
    <div class="stage">
      <PromptBar session={session} />
      <div ref={area} class="stage-canvas-area">
        {/* The person draws on it with the pointer or the keyboard. */}
        {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: see above */}
        <canvas
          ref={canvas}
          class="stage-canvas"
          data-testid="stage"
          role="application"
          tabIndex={0}
          aria-label={`Frame ${session.shownFrame.value} of ${session.name.value}. Arrow keys move the pointer, Space presses.`}
          style={{ cursor: cursor.value }}
        />
        {cross.value && (
          <span
            class="stage-cross"
            aria-hidden="true"
            style={{ left: `${cross.value.x}px`, top: `${cross.value.y}px` }}
          />
        )}
        {isWaiting.value && <span class="stage-note">Decoding frame {session.frame.value}…</span>}
      </div>
      <StatusLine session={session} pointer={pointer.value} view={view.value} />
    </div>
  );
}

let hidden: CanvasRenderingContext2D | undefined;

function nowhere(): CanvasRenderingContext2D {
  hidden ??= document.createElement("canvas").getContext("2d") as CanvasRenderingContext2D;
  return hidden;
}

function StatusLine(props: { session: OpenSession; pointer: StagePointer | undefined; view: StageView }) {
  const { session, pointer, view } = props;
  const { source, video } = session;
  return (
    <div class="status-line">
      <CompareBar session={session} />
      <span class="status-hint">{currentTool.value.hint(session, pointer)}</span>
      {source.kind === "jpeg" && (
        <span class="muted" title={source.reason}>
          Pictures from the server
        </span>
      )}
      <span class="muted number">
        {video.width} × {video.height}
      </span>
      <span class="muted number zoom-label">{Math.round(view.scale * 100)} %</span>
    </div>
  );
}
