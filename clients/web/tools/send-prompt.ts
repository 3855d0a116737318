/** Sends prompts: the mark appears at once, the mask with the answer. */
import { signal } from "@preact/signals";
import type { PromptFields } from "../../typescript/index.js";
import { notify } from "../app/notices.js";
import { explainFailure } from "../edits/explain.js";
import type { OpenSession } from "../session/open-session.js";
import type { PromptMark } from "../session/prompts.js";
import { FLAG, STATE } from "../timeline/lane-states.js";
import { isNewChosen, nextObjectId, reserveObjectId } from "./target.js";

/** Prompts whose answer has not arrived. */
export const pendingPrompts = signal<readonly PromptMark[]>([]);

export interface ObjectPrompt {
  title: string;
  /** Undefined: a new object. */
  objectId: number | undefined;
  mark: Pick<PromptMark, "kind" | "points" | "box">;
  fields: Omit<PromptFields, "frame_index" | "obj_id" | "rel_coordinates">;
}

/** Sends a prompt on the frame that is on the stage. Failures are reported to the person. */
export async function sendPrompt(session: OpenSession, prompt: ObjectPrompt): Promise<void> {
  const { title, mark: drawn, fields } = prompt;
  const frame = session.shownFrame.peek();
  const objectId = prompt.objectId ?? nextObjectId(session);
  reserveObjectId(session, objectId);
  const { flags, state } = session.results.states.of(objectId);
  const isCorrection = state[frame] !== STATE.none;
  const mark: PromptMark = { ...drawn, frame, objectId, isCorrection };
  isNewChosen.value = false;
  session.isPlaying.value = false;
  session.follow.value = false;
  pendingPrompts.value = [...pendingPrompts.peek(), mark];
  const start = performance.now();
  if (isCorrection) session.comparison.begin(objectId, session.results.held());
  else session.comparison.end();
  try {
    const { obj_id = objectId, affected } = await session.requests.addPrompt(
      { ...fields, frame_index: frame, obj_id: objectId, rel_coordinates: false },
      () => measureWait(start),
    );
    flags[frame] = (flags[frame] as number) | FLAG.prompt;
    session.addMark({ ...mark, objectId: obj_id });
    session.history.addServerEdit(title);
    session.selected.value = new Set([obj_id]);
    // What cannot be read is not compared.
    if (isCorrection) void session.comparison.capture(affected).catch(() => {});
  } catch (error) {
    notify({ kind: "error", ...explainFailure(title, error) });
  } finally {
    pendingPrompts.value = pendingPrompts.peek().filter((one) => one !== mark);
  }
}

/** Records the time from a press to its mask on the stage. The stage has requested its next drawing before this call. */
function measureWait(start: number): void {
  const name = "masklet: mask drawn";
  requestAnimationFrame(() => {
    performance.clearMeasures(name);
    performance.measure(name, { start });
  });
}

/** Adds a phrase: every instance of it becomes an object. */
export async function sendPhrase(session: OpenSession, text: string): Promise<void> {
  const frame = session.shownFrame.peek();
  const title = `Find “${text}”`;
  session.isPlaying.value = false;
  try {
    const { outputs, unknown_words = [] } = await session.requests.addPrompt({ text, frame_index: frame });
    session.history.addServerEdit(title);
    const found = outputs.out_states.filter(({ prompt }) => prompt.concept === text).length;
    notify({
      kind: "info",
      title: found === 0 ? `No “${text}” on this frame` : `${found} × “${text}” on this frame`,
      detail:
        found === 0 ? noneFound(unknown_words) : "Track to follow them, and to find more on other frames.",
    });
  } catch (error) {
    notify({ kind: "error", ...explainFailure(title, error) });
  }
}

/** What to do next when a phrase detects nothing. @param unknownWords words that the model pack does not know */
export function noneFound(unknownWords: readonly string[]): string {
  if (unknownWords.length === 0) return "Track to look for it on the other frames, or click on the object.";
  const words = unknownWords.map((word) => `“${word}”`).join(", ");
  return `This model does not know the ${unknownWords.length === 1 ? "word" : "words"} ${words}. Click on the object, or use another word.`;
}
