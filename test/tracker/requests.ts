/** Requests to a session as data, so that a test can send the same ones to several sessions. */
import { isDeepStrictEqual } from "node:util";
import type { CocoRle } from "../../protocol/rle.js";
import type { AnchorMask, Edit } from "../../tracker/edits/edit.js";
import type { FrameOutput } from "../../tracker/frame-output.js";
import type { Frame } from "../../tracker/model.js";
import type { SessionSnapshot } from "../../tracker/snapshot.js";
import type { TrackingSession } from "../../tracker/tracking-session.js";

type Xywh = readonly [x: number, y: number, width: number, height: number];

export type Request =
  | { do: "phrase"; frame: number; text: string; replace?: boolean; semanticMap?: boolean }
  | { do: "exemplar"; frame: number; boxXywh: Xywh; text?: string }
  | {
      do: "click";
      frame: number;
      point: readonly [number, number];
      label?: 0 | 1;
      objectId?: number;
      keep?: true;
    }
  | { do: "box"; frame: number; boxXywh: Xywh; objectId?: number }
  | {
      do: "mask";
      frame: number;
      mask: CocoRle;
      objectId?: number;
      /** Clicks on the object that refine the mask. */
      points?: readonly (readonly [number, number])[];
    }
  | { do: "predict"; frame: number; point: readonly [number, number] }
  | { do: "begin"; firstFrame: number; lastFrame: number; startFrame?: number | null }
  | { do: "step"; frame: number }
  | { do: "fetch"; frame: number }
  | { do: "remove"; objectId: number }
  | { do: "edit"; edit: Edit }
  | { do: "anchor"; frame: number; masks: readonly AnchorMask[] }
  | { do: "checkpoint" }
  | { do: "rollback"; to: "before" | "after" }
  | { do: "recall"; frame: number; objectId: number; mask: CocoRle }
  | { do: "reset" };

/** Sends a request. @returns the result of the session */
export async function send(
  session: TrackingSession,
  frameAt: (index: number) => Frame,
  request: Request,
): Promise<unknown> {
  switch (request.do) {
    case "phrase":
      return session.prompt(frameAt(request.frame), {
        kind: "concept",
        text: request.text,
        replace: request.replace ?? false,
        semanticMap: request.semanticMap ?? false,
      });
    case "exemplar":
      return session.prompt(frameAt(request.frame), {
        kind: "concept",
        ...(request.text === undefined ? {} : { text: request.text }),
        replace: false,
        exemplars: { boxesXywh: [[...request.boxXywh]], labels: [1] },
      });
    case "click":
    case "box":
      return session.prompt(frameAt(request.frame), {
        kind: "object",
        ...(request.objectId === undefined ? {} : { objectId: request.objectId }),
        ...(request.do === "box"
          ? { points: [], labels: [], boxXywh: [...request.boxXywh] }
          : { points: [request.point], labels: [request.label ?? 1] }),
        clearOldPoints: !(request.do === "click" && request.keep),
        clearOldBoxes: true,
      });
    case "mask": {
      const { mask, objectId, points = [] } = request;
      return session.prompt(frameAt(request.frame), {
        kind: "object",
        ...(objectId === undefined ? {} : { objectId }),
        points,
        labels: points.map(() => 1 as const),
        mask,
        clearOldPoints: true,
        clearOldBoxes: true,
      });
    }
    case "predict":
      return session.predict(frameAt(request.frame), {
        points: [[request.point]],
        labels: [[1]],
        multimask: true,
      });
    case "begin": {
      const { firstFrame, lastFrame, startFrame = null } = request;
      return session.beginPropagation({ reverse: firstFrame > lastFrame, firstFrame, lastFrame, startFrame });
    }
    case "step":
      return session.step(frameAt(request.frame));
    case "fetch":
      return session.fetch(request.frame);
    case "remove":
      return session.removeObject(request.objectId);
    case "edit":
      return session.edit(request.edit);
    case "anchor":
      return session.anchor(frameAt(request.frame), request.masks);
    case "checkpoint":
      return session.checkpoint();
    case "rollback":
      return session.rollback(request.to);
    case "recall":
      return session.recall(frameAt(request.frame), [{ objectId: request.objectId, mask: request.mask }]);
    case "reset":
      return session.reset();
  }
}

/** Sends a request. @returns the result of the session, or its error as text */
export async function answerTo(...[session, frameAt, request]: Parameters<typeof send>): Promise<unknown> {
  try {
    return await send(session, frameAt, request);
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

/** The requests of a propagation: its beginning and its steps. */
export function pass(firstFrame: number, lastFrame: number, startFrame: number | null = null): Request[] {
  const step = firstFrame <= lastFrame ? 1 : -1;
  const frames = Array.from(
    { length: Math.abs(lastFrame - firstFrame) + 1 },
    (_, at) => firstFrame + at * step,
  );
  return [
    { do: "begin", firstFrame, lastFrame, startFrame },
    ...frames.map((frame): Request => ({ do: "step", frame })),
  ];
}

/** The ids of all objects in the answers. */
export function idsShown(answers: readonly unknown[]): Set<number> {
  const outputs = answers.flat().flatMap((answer) => {
    const { output = answer } = (answer ?? {}) as { output?: unknown };
    return ((output ?? {}) as Partial<FrameOutput>).objects ?? [];
  });
  return new Set(outputs.map(({ objectId }) => objectId));
}

/**
 * Compares two values exactly, including tensors.
 * @returns the path of the first difference; null when the values are equal
 */
export function firstDifference(a: unknown, b: unknown, path = "state"): string | null {
  if (isDeepStrictEqual(a, b)) return null;
  const isParent = (value: unknown): value is object =>
    typeof value === "object" && value !== null && !ArrayBuffer.isView(value);
  if (!isParent(a) || !isParent(b)) return path;
  const entries = (value: object) =>
    new Map<unknown, unknown>(
      value instanceof Map ? value : value instanceof Set ? [...value].entries() : Object.entries(value),
    );
  const [some, others] = [entries(a), entries(b)];
  for (const key of new Set([...some.keys(), ...others.keys()])) {
    const difference = firstDifference(some.get(key), others.get(key), `${path}.${String(key)}`);
    if (difference) return difference;
  }
  return path;
}

/** A snapshot as a deep copy, which shares no value with the session. */
export function detached(session: TrackingSession): SessionSnapshot {
  return structuredClone(session.snapshot());
}
