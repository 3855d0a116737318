/** The prompts that this page has sent, as they are drawn. The server does not return prompts, so the page keeps them. */
export interface PromptPoint {
  /** Pixels of the frame. */
  x: number;
  y: number;
  label: 0 | 1;
}

export interface PromptMark {
  readonly frame: number;
  readonly objectId: number;
  readonly kind: "points" | "box" | "mask";
  /** The object had a result on the frame before the prompt. */
  readonly isCorrection?: boolean;
  readonly points?: readonly PromptPoint[];
  /** x, y, width, height in pixels of the frame. */
  readonly box?: readonly [number, number, number, number];
}

/** A new mask replaces the marks of its object on its frame; points and boxes add to them. */
export function addMark(marks: readonly PromptMark[], mark: PromptMark): PromptMark[] {
  const isReplaced = (old: PromptMark) =>
    old.frame === mark.frame &&
    old.objectId === mark.objectId &&
    (mark.kind === "mask" || old.kind === mark.kind);
  const earlier = marks.find((old) => old.kind === "points" && mark.kind === "points" && isReplaced(old));
  const points = earlier?.points && mark.points ? { points: [...earlier.points, ...mark.points] } : {};
  const isCorrection = mark.isCorrection || marks.some((old) => isReplaced(old) && old.isCorrection);
  return [
    ...marks.filter((old) => !isReplaced(old)),
    { ...mark, ...points, ...(isCorrection && { isCorrection }) },
  ];
}

/** Marks of an earlier page, from JSON. Malformed ones are ignored. */
export function readMarks(value: unknown): PromptMark[] {
  return Array.isArray(value) ? value.filter(isMark) : [];
}

const isIndex = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;
const isNumber = (value: unknown) => typeof value === "number" && Number.isFinite(value);

function isMark(value: unknown): value is PromptMark {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Record<string, unknown>;
  const { frame, objectId, kind, points = [], box = [0, 0, 0, 0], isCorrection = false } = fields;
  const isPoint = ({ x, y, label }: Record<string, unknown>) =>
    isNumber(x) && isNumber(y) && (label === 0 || label === 1);
  return (
    isIndex(frame) &&
    isIndex(objectId) &&
    (kind === "points" || kind === "box" || kind === "mask") &&
    typeof isCorrection === "boolean" &&
    Array.isArray(points) &&
    points.every((point) => typeof point === "object" && point !== null && isPoint(point)) &&
    Array.isArray(box) &&
    box.length === 4 &&
    box.every(isNumber)
  );
}

export const marksOn = (marks: readonly PromptMark[], frame: number): PromptMark[] =>
  marks.filter((mark) => mark.frame === frame);
