/** Continues a saved session: exactly with the same model pack, from the stored masks with another one. */
import { type AnswerOf, ProtocolError } from "../../protocol/index.js";
import type { EngineSession } from "../engine/index.js";
import type { MediaFacts, MediaSource } from "../media/source.js";
import type { SessionResults } from "../results/session-results.js";
import { parseJson, type SavedFile, type SavedManifest } from "./saved-file.js";
import { parseFrame, parseState, restoreState, type SavedState } from "./session-state.js";

export type LoadedFacts = Pick<AnswerOf<"load_session">, "restored" | "obj_ids" | "stored_frames">;

/** @throws ProtocolError saved_mismatch */
export function checkVideo({ video }: SavedManifest, { width, height, numFrames }: MediaFacts): void {
  if (width === video.width && height === video.height && numFrames === video.num_frames) return;
  throw new ProtocolError(
    "saved_mismatch",
    `The saved session is of a video with ${video.num_frames} frames of ${video.width}×${video.height}; this one has ` +
      `${numFrames} frames of ${width}×${height}.`,
  );
}

/** @throws ProtocolError saved_unreadable */
export async function readState(file: SavedFile): Promise<SavedState> {
  const value = parseJson("session.json", (await file.read("session.json")).toString("utf8"));
  return parseState(value, file.manifest.video);
}

/** Fills the results of a new session. @throws ProtocolError saved_unreadable */
export async function restoreResults(
  file: SavedFile,
  state: SavedState,
  results: SessionResults,
): Promise<void> {
  for await (const line of file.lines("results.ndjson"))
    results.store.set(parseFrame(line, file.manifest.video));
  restoreState(results, state);
}

/** Frames per object that another model is prompted with. More describe the object better, and take longer. */
const MASKS_PER_OBJECT = 4;

/**
 * Prompts a new engine session with the stored masks: those of the prompted frames of each object, or else its first one. Then
 * with the phrases, for instances that are not tracked yet. The stored results do not change.
 */
export async function restartFromMasks(
  engine: EngineSession,
  media: MediaSource,
  results: SessionResults,
  { concepts, negative_concepts, prompted }: SavedState,
): Promise<void> {
  const { inputSize } = engine.rules.pack;
  const size = { width: inputSize, height: inputSize };
  const prompt = async (frameIndex: number, fields: Parameters<EngineSession["prompt"]>[0]["prompt"]) => {
    const { index, rgb } = await media.frame(frameIndex, size);
    await engine.prompt({ frame: { index, rgb }, prompt: fields });
  };
  for (const objectId of objectIdsOf(results)) {
    for (const frameIndex of framesToPrompt(results, objectId)) {
      const mask = results.store.object(frameIndex, objectId)?.mask;
      if (!mask) continue;
      await prompt(frameIndex, {
        kind: "object",
        objectId,
        points: [],
        labels: [],
        mask,
        clearOldPoints: true,
        clearOldBoxes: true,
      });
    }
  }
  await markAgain(engine, results);
  if (prompted.concept_frame === null || !engine.rules.pack.capabilities.text) return;
  // First, so that their instances are not detected as objects of the phrases.
  for (const text of negative_concepts)
    await prompt(prompted.concept_frame, { kind: "concept", text, negative: true, replace: false });
  for (const text of concepts) {
    if (text !== "visual") await prompt(prompted.concept_frame, { kind: "concept", text, replace: false });
  }
}

/** Locks and absent ranges, where the locked masks are stored. */
async function markAgain(engine: EngineSession, { store, marks }: SessionResults): Promise<void> {
  for (const [objectId, { locked, absent }] of marks.save().objects) {
    for (const [firstFrame, lastFrame] of absent)
      await engine.edit({ edit: { kind: "absent", objectId, firstFrame, lastFrame, absent: true } });
    const masks = locked.flatMap(([first, last]) =>
      store.frames({ first, last }).flatMap((frameIndex) => {
        const object = store.object(frameIndex, objectId);
        return object ? [{ objectId, frameIndex, mask: object.mask, prob: object.prob }] : [];
      }),
    );
    if (masks.length > 0) await engine.edit({ edit: { kind: "lock", masks } });
  }
}

/** Objects with a stored mask, ascending. */
export function objectIdsOf({ store }: SessionResults): number[] {
  const ids = new Set<number>();
  for (const frameIndex of store.frames())
    for (const { objectId } of store.get(frameIndex)?.objects ?? []) ids.add(objectId);
  return [...ids].sort((a, b) => a - b);
}

function framesToPrompt({ prompts, store }: SessionResults, objectId: number): readonly number[] {
  const given = prompts.framesOf(objectId).filter((frame) => store.object(frame, objectId));
  if (given.length > 0) return given.slice(-MASKS_PER_OBJECT);
  const first = store.frames().find((frame) => store.object(frame, objectId));
  return first === undefined ? [] : [first];
}
