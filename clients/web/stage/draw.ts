/** Draws the stage: picture, masks, prompts, and what a tool shows while it is used. */
import type { FrameResult } from "../results/frame-result.js";
import { defaultName, type ObjectFacts } from "../session/objects.js";
import type { PromptMark } from "../session/prompts.js";
import { type Size, type StageView, toStage } from "./coordinates.js";
import { pathOf } from "./mask-paths.js";
import { drawRaster } from "./mask-raster.js";

export interface Scene {
  picture: CanvasImageSource | undefined;
  frame: Size;
  view: StageView;
  result: FrameResult | undefined;
  objects: readonly ObjectFacts[];
  selected: ReadonlySet<number>;
  /** The object that a press at the pointer changes. */
  hovered: number | undefined;
  marks: readonly PromptMark[];
  /** Prompts whose answer has not arrived. */
  pending: readonly PromptMark[];
  colourOf(objectId: number): string;
  /** Whether the frame has changed just now, as while people scrub. */
  isMoving: boolean;
}

export function drawScene(context: CanvasRenderingContext2D, stage: Size, ratio: number, scene: Scene): void {
  const { view, frame, picture } = scene;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, stage.width * ratio, stage.height * ratio);
  context.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
  // Single pixels are visible when people look for them.
  context.imageSmoothingEnabled = view.scale * ratio < 4;
  // Masks without their picture are those of another frame.
  if (!picture) return;
  context.drawImage(picture, 0, 0, frame.width, frame.height);
  drawMasks(context, scene, view.scale);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  for (const mark of scene.marks) drawMark(context, view, mark, scene.colourOf(mark.objectId), false);
  for (const mark of scene.pending) drawMark(context, view, mark, scene.colourOf(mark.objectId), true);
  drawLabels(context, stage, scene);
}

function visible({ result, objects, selected }: Scene) {
  const facts = new Map(objects.map((object) => [object.id, object]));
  return (result?.objects ?? [])
    .filter(({ id }) => !facts.get(id)?.hidden)
    .sort((a, b) => Number(selected.has(a.id)) - Number(selected.has(b.id)))
    .map((object) => ({ ...object, facts: facts.get(object.id) }));
}

const MASK_OPACITY = 0.45;
/** Outlines of more masks take longer than the screen shows a frame. */
const MAX_MOVING_OUTLINES = 8;

function drawMasks(context: CanvasRenderingContext2D, scene: Scene, scale: number): void {
  const shown = visible(scene);
  const isStrongOf = (id: number) => scene.selected.has(id) || scene.hovered === id;
  const opacityOf = (id: number) => MASK_OPACITY * (isStrongOf(id) ? 1.15 : 0.85);
  if (scene.isMoving && shown.length > MAX_MOVING_OUTLINES) {
    const masks = shown.map(({ id, mask }) => ({
      ...{ mask, colour: scene.colourOf(id), opacity: opacityOf(id) },
    }));
    drawRaster(context, scene.frame, masks);
    return;
  }
  context.lineJoin = "round";
  for (const { id, mask } of shown) {
    const path = pathOf(mask);
    const isStrong = isStrongOf(id);
    context.fillStyle = scene.colourOf(id);
    context.globalAlpha = opacityOf(id);
    context.fill(path, "evenodd");
    context.globalAlpha = 1;
    if (scene.selected.has(id)) {
      context.strokeStyle = "#ffffff";
      context.lineWidth = 4 / scale;
      context.stroke(path);
    }
    context.strokeStyle = scene.colourOf(id);
    context.lineWidth = (isStrong ? 2.2 : 1.6) / scale;
    context.stroke(path);
  }
}

const LABEL_FONT = "600 12px system-ui, sans-serif";
const LABEL_HEIGHT = 20;
const MAX_LABEL_WIDTH = 180;

function drawLabels(context: CanvasRenderingContext2D, stage: Size, scene: Scene): void {
  context.font = LABEL_FONT;
  context.textBaseline = "middle";
  const taken: { x: number; y: number; width: number }[] = [];
  for (const { id, boxXywh, facts } of visible(scene).reverse()) {
    const widthOf = (text: string) => context.measureText(text).width;
    const name = shorten(facts?.name ?? defaultName(id), MAX_LABEL_WIDTH, widthOf);
    const width = widthOf(name) + 12;
    const top = toStage(scene.view, {
      x: boxXywh[0] * scene.frame.width,
      y: boxXywh[1] * scene.frame.height,
    });
    const x = Math.max(4, Math.min(stage.width - width - 4, top.x));
    let y = Math.max(4, Math.min(stage.height - LABEL_HEIGHT - 4, top.y - LABEL_HEIGHT - 4));
    // Below the labels that are in the way.
    for (let turn = 0; turn < 6; turn++) {
      const other = taken.find(
        (one) => Math.abs(one.y - y) < LABEL_HEIGHT && x < one.x + one.width && one.x < x + width,
      );
      if (!other) break;
      y = other.y + LABEL_HEIGHT + 1;
    }
    taken.push({ x, y, width });
    context.fillStyle = scene.colourOf(id);
    context.beginPath();
    context.roundRect(x, y, width, LABEL_HEIGHT, 5);
    context.fill();
    context.fillStyle = inkOn(scene.colourOf(id));
    context.fillText(name, x + 6, y + LABEL_HEIGHT / 2 + 0.5);
  }
}

/** The longest beginning of a text that fits with an ellipsis; the whole text where it fits. */
export function shorten(text: string, maxWidth: number, widthOf: (text: string) => number): string {
  if (widthOf(text) <= maxWidth) return text;
  const letters = [...text];
  while (letters.length > 1 && widthOf(`${letters.join("").trimEnd()}…`) > maxWidth) letters.pop();
  return `${letters.join("").trimEnd()}…`;
}

/** Black or white, whichever differs more from `#rrggbb`. */
export function inkOn(colour: string): string {
  const channel = (at: number) => Number.parseInt(colour.slice(at, at + 2), 16);
  return 0.299 * channel(1) + 0.587 * channel(3) + 0.114 * channel(5) > 140 ? "#000000" : "#ffffff";
}

function drawMark(
  context: CanvasRenderingContext2D,
  view: StageView,
  { points, box }: PromptMark,
  colour: string,
  isPending: boolean,
): void {
  context.globalAlpha = isPending ? 0.75 : 1;
  if (box) {
    const from = toStage(view, { x: box[0], y: box[1] });
    outlined(context, colour, () => {
      context.beginPath();
      context.rect(from.x, from.y, box[2] * view.scale, box[3] * view.scale);
    });
  }
  for (const { x, y, label } of points ?? []) {
    const at = toStage(view, { x, y });
    context.beginPath();
    context.arc(at.x, at.y, 8, 0, 2 * Math.PI);
    context.fillStyle = label === 1 ? colour : "#1b1d22";
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = label === 1 ? "#ffffff" : colour;
    context.stroke();
    context.beginPath();
    context.moveTo(at.x - 4, at.y);
    context.lineTo(at.x + 4, at.y);
    if (label === 1) {
      context.moveTo(at.x, at.y - 4);
      context.lineTo(at.x, at.y + 4);
    }
    context.strokeStyle = label === 1 ? inkOn(colour) : "#ffffff";
    context.stroke();
    if (isPending) {
      context.beginPath();
      context.arc(at.x, at.y, 13, 0, 2 * Math.PI);
      context.strokeStyle = colour;
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}

/** Draws a line that is visible on any ground. */
export function outlined(context: CanvasRenderingContext2D, colour: string, trace: () => void): void {
  trace();
  context.lineWidth = 4;
  context.strokeStyle = "rgb(0 0 0 / 55%)";
  context.stroke();
  context.lineWidth = 2;
  context.strokeStyle = colour;
  context.stroke();
}
