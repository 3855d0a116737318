/** Converts phrases to the token ids that a pack's `text` graph reads. */
import { readFile } from "node:fs/promises";
import { Tokenizer } from "@huggingface/tokenizers";

export interface TokenizedPhrase {
  /** `[L]`, padded at the end. */
  ids: Int32Array;
  /** `[L]`, 1 on tokens and 0 on padding. */
  mask: Int32Array;
  /** The number of words; punctuation counts only in a phrase of nothing else. */
  wordCount: number;
  /**
   * The words that the vocabulary does not contain, and those after the pack's length. Always empty for tokenizers that divide
   * words into pieces.
   */
  unknownWords: readonly string[];
}

/** The parts of a `tokenizer.json` that are read here. */
interface TokenizerJson {
  model: { type?: string; unk_token?: string; vocab?: Record<string, number> };
  padding?: { pad_id?: number } | null;
}

/** A phrase that the pack cannot read. The message is shown to the user. */
export class PhraseError extends Error {
  override readonly name = "PhraseError";
}

/**
 * @throws PhraseError when the phrase is empty or, for tokenizers that divide words into pieces, longer than the pack reads.
 * With other tokenizers, only the first words of a long phrase are read.
 */
export type Tokenize = (phrase: string) => TokenizedPhrase;

/**
 * Opens a `tokenizer.json`.
 * @param length tokens per phrase, start and end marks included (the pack's L)
 * @throws Error with one sentence that starts with the file's name.
 */
export async function openTokenizer(file: string, name: string, length: number): Promise<Tokenize> {
  let tokenizer: Tokenizer;
  let json: TokenizerJson;
  let padding: number;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
    // WordLevel models take their unknown token from this option, other models from `json`.
    tokenizer = new Tokenizer(json, { unk_token: json.model.unk_token });
    padding = json.padding?.pad_id ?? 0;
    tokenizer.encode("probe");
  } catch (error) {
    throw new Error(`${name}: not a readable tokenizer: ${(error as Error).message}`);
  }
  const marks = tokenizer.encode("").ids.length;
  const unknownId = wholeWordsUnknownId(json);
  const isUnknown = (word: string) =>
    unknownId !== undefined && tokenizer.encode(word, { add_special_tokens: false }).ids.includes(unknownId);
  const encode = (text: string) => tokenizer.encode(text.trim()).ids;
  return (phrase) => {
    const words = wordsOf(phrase);
    const whole = encode(phrase);
    // The first word that the pack cannot read. At most as many words are tried as it reads.
    const cut =
      unknownId !== undefined && whole.length > length
        ? words.findIndex(({ end }) => encode(phrase.slice(0, end)).length > length)
        : -1;
    const tokens = cut > 0 ? encode(phrase.slice(0, words[cut - 1]?.end)) : whole;
    if (tokens.length <= marks) throw new PhraseError("The phrase contains no word.");
    if (tokens.length > length) {
      throw new PhraseError(
        `The phrase is too long: it has ${tokens.length - marks} tokens, and this pack reads at most ${length - marks}.`,
      );
    }
    const ids = new Int32Array(length).fill(padding);
    const mask = new Int32Array(length);
    ids.set(tokens);
    mask.fill(1, 0, tokens.length);
    const unknown = words.filter(({ word }, index) => isUnknown(word) || (cut > 0 && index >= cut));
    return { ids, mask, wordCount: words.length, unknownWords: unknown.map(({ word }) => word) };
  };
}

/** The id of unknown words in vocabularies of whole words; BPE and the like have a token for every letter. */
function wholeWordsUnknownId({ model }: TokenizerJson): number | undefined {
  return model.type === "WordLevel" && model.unk_token !== undefined
    ? model.vocab?.[model.unk_token]
    : undefined;
}

/** A word, and where it ends in its phrase. */
interface Word {
  word: string;
  end: number;
}

function wordsOf(phrase: string): Word[] {
  const lettered = [...phrase.matchAll(/[\p{L}\p{N}_][\p{L}\p{M}\p{N}_]*/gu)];
  const matches = lettered.length > 0 ? lettered : [...phrase.matchAll(/\S+/gu)];
  return matches.map(({ 0: word, index }) => ({ word, end: index + word.length }));
}
