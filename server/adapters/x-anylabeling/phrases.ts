/** The phrases of a text field: X-AnyLabeling separates them by commas, or by full stops. */
import { ProtocolError } from "../../../protocol/index.js";

/** @throws ProtocolError invalid_field for a text without a phrase */
export function phrasesOf(text: string): string[] {
  const separator = text.includes(",") ? "," : ".";
  const phrases = text.split(separator).map((phrase) => phrase.trim().replace(/\.$/, "").trim());
  const distinct = [...new Set(phrases)].filter((phrase) => phrase !== "");
  if (distinct.length > 0) return distinct;
  throw new ProtocolError(
    "invalid_field",
    `text_prompt: expected a phrase such as "red circle", got ${JSON.stringify(text.slice(0, 60))}.`,
    "text_prompt",
  );
}

/**
 * The window shows the sentence of a refused request, and nothing of an answer without shapes.
 * @throws ProtocolError object_not_found for a text that finds nothing
 */
export function requireFound(found: readonly unknown[], text: string, confidence: number): void {
  if (found.length > 0) return;
  const phrases = phrasesOf(text).map((phrase) => JSON.stringify(phrase));
  throw new ProtocolError(
    "object_not_found",
    `Nothing is found for ${phrases.join(", ")} on this picture: the model may not know the word, or the confidence ${confidence} is too high.`,
    "text_prompt",
  );
}
