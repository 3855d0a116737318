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
