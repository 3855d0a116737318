/** What a tool does with the pointer on the stage. */
import type { OpenSession } from "../session/open-session.js";
import type { Point, StageView } from "../stage/coordinates.js";

export interface StagePointer {
  /** Pixels of the frame. May be outside of it while a button is held. */
  readonly at: Point;
  /** Alt, the right button, or a finger held still: not this. */
  readonly isNegative: boolean;
  /** Shift: to the selected object. */
  readonly isAdding: boolean;
}

/** What happens between pressing and releasing. */
export interface Gesture {
  move(pointer: StagePointer): void;
  end(pointer: StagePointer): void;
  cancel(): void;
}

export interface ToolDrawing {
  context: CanvasRenderingContext2D;
  view: StageView;
  session: OpenSession;
  /** Where the pointer is; undefined outside the stage. */
  pointer: StagePointer | undefined;
}

export interface Tool {
  readonly id: string;
  readonly title: string;
  readonly key: string;
  readonly icon: "click" | "box" | "brush" | "erase" | "polygon" | "pan";
  readonly cursor: string;
  /** What the next press does, for the line below the picture. */
  hint(session: OpenSession, pointer: StagePointer | undefined): string;
  /** The object that a press here changes, which lights up. Undefined: a new object, or none. */
  target(session: OpenSession, pointer: StagePointer): number | undefined;
  /** Undefined: the press moves the picture. */
  begin(session: OpenSession, pointer: StagePointer): Gesture | undefined;
  /** In CSS pixels of the stage. Reads signals of the tool, so that the stage is drawn again when they change. */
  draw?(drawing: ToolDrawing): void;
  /** Enter, Escape, Backspace and double clicks. Returns whether the tool used it. */
  onKey?(session: OpenSession, key: string): boolean;
}
