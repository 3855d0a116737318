/** Sentences for the annotator. Label Studio shows the notes of a region, and nothing of a failed answer. */
import type { Region } from "./schemas.js";

const OURS = "masklet: ";

/** The notes of a region: those of people, and the sentence of this answer. */
export function notesOf({ meta }: Region, sentence?: string): { meta?: object } {
  const { text = [], ...rest } = meta ?? {};
  const notes = [...text.filter((note) => !note.startsWith(OURS)), ...(sentence ? [OURS + sentence] : [])];
  const kept = { ...rest, ...(notes.length > 0 && { text: notes }) };
  return Object.keys(kept).length > 0 ? { meta: kept } : {};
}
