/** The objects and concepts of a session, with their names, for `get_session`. */
import type { SessionFacts } from "../../protocol/index.js";
import type { EngineSession } from "../engine/index.js";
import type { Marks } from "./marks.js";

type Described = Awaited<ReturnType<EngineSession["describe"]>>;

/** An absence up to the end of the video has no last frame in the engine; clients get the last frame of `numFrames`. */
export function describeObjects(
  { objects }: Described,
  marks: Marks,
  numFrames: number,
): SessionFacts["objects"] {
  return objects.map(({ objectId, concept, locked, absent }) => ({
    obj_id: objectId,
    name: marks.objectName(objectId),
    concept,
    locked_frames: locked.map(([first, last]) => [first, last]),
    absent_frames: absent.map(([first, last]) => [first, Math.max(first, Math.min(last, numFrames - 1))]),
  }));
}

export function describeConcepts(
  { concepts, negativeConcepts }: Described,
  marks: Marks,
): Pick<SessionFacts, "concepts" | "negative_concepts" | "concept_names"> {
  return { concepts, negative_concepts: negativeConcepts, concept_names: marks.conceptNames() };
}
