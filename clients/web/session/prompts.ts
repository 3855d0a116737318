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
  return [...marks.filter((old) => !isReplaced(old)), { ...mark, ...points }];
}

export const marksOn = (marks: readonly PromptMark[], frame: number): PromptMark[] =>
  marks.filter((mark) => mark.frame === frame);
