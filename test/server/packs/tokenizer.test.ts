import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openTokenizer, PhraseError } from "../../../server/packs/tokenizer.js";

/** A minimal tokenizer: lower-case whole words between start and end marks. */
const words = {
  version: "1.0",
  truncation: null,
  padding: null as object | null,
  added_tokens: [],
  normalizer: { type: "Lowercase" },
  pre_tokenizer: { type: "Whitespace" },
  post_processor: {
    type: "TemplateProcessing",
    single: [
      { SpecialToken: { id: "<s>", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "</s>", type_id: 0 } },
    ],
    pair: [],
    special_tokens: {
      "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] },
      "</s>": { id: "</s>", ids: [2], tokens: ["</s>"] },
    },
  },
  decoder: null,
  model: {
    type: "WordLevel",
    vocab: { "<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, red: 4, circle: 5 },
    unk_token: "<unk>",
  },
};

async function openWords(change: Partial<typeof words> = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), "masklet-tokenizer-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, "tokenizer.json");
  await writeFile(file, JSON.stringify({ ...words, ...change }));
  return openTokenizer(file, "tokenizer.json", 6);
}

test("encodes a phrase as its tokens between the marks, padded to the pack's length", async () => {
  const tokenize = await openWords();
  expect(tokenize(" Red circle ")).toEqual({
    ids: Int32Array.of(1, 4, 5, 2, 0, 0),
    mask: Int32Array.of(1, 1, 1, 1, 0, 0),
    wordCount: 2,
    unknownWords: [],
  });
});

test("encodes an unknown word as the unknown token, not as padding", async () => {
  const tokenize = await openWords();
  expect([...tokenize("red zebra").ids]).toEqual([1, 4, 3, 2, 0, 0]);
});

test.each([
  ["red zebra, circle", 3, ["zebra"]],
  ["RED", 1, []],
  ["собака", 1, ["собака"]],
  ["?!", 1, ["?!"]],
])(
  "counts the words of %j and lists those that are not in the vocabulary",
  async (phrase, wordCount, unknownWords) => {
    const tokenize = await openWords();
    expect(tokenize(phrase)).toMatchObject({ wordCount, unknownWords });
  },
);

test("words may share an id, such as a plural and its singular", async () => {
  const model = { ...words.model, vocab: { ...words.model.vocab, circles: 5, the: 0 } };
  const tokenize = await openWords({ model });
  expect(tokenize("the red circles")).toMatchObject({
    ids: Int32Array.of(1, 0, 4, 5, 2, 0),
    unknownWords: [],
  });
});

test("uses the padding that the tokenizer declares", async () => {
  const tokenize = await openWords({ padding: { strategy: "BatchLongest", pad_id: 9, pad_token: "<pad>" } });
  expect([...tokenize("red").ids]).toEqual([1, 4, 2, 9, 9, 9]);
});

test("reads the first words of a phrase that is too long, and lists the others", async () => {
  const tokenize = await openWords();
  expect(tokenize("red red red red")).toMatchObject({ wordCount: 4, unknownWords: [] });
  const { ids, mask, ...words } = tokenize("red red zebu red red circle");
  expect([...ids]).toEqual([...tokenize("red red zebu red").ids]);
  expect([...mask]).toEqual([1, 1, 1, 1, 1, 1]);
  expect(words).toEqual({ wordCount: 6, unknownWords: ["zebu", "red", "circle"] });
});

test("lists a symbol of several characters as one word", async () => {
  const tokenize = await openWords();
  expect(tokenize("\u{1f3f4}\u200d\u2620\ufe0f").unknownWords).toEqual(["\u{1f3f4}\u200d\u2620\ufe0f"]);
});

test("refuses a phrase without a word", async () => {
  const tokenize = await openWords();
  expect(() => tokenize("  ")).toThrow(PhraseError);
});

/** CLIP's tokenizer, which SAM 3 also uses, reduced to two merges: bytes, "</w>" at word ends, start and end marks. */
function clipTokenizer() {
  const letters = [..."abcdefghijklmnopqrstuvwxyz!"];
  const pieces = [...letters, ...letters.map((letter) => `${letter}</w>`), "do", "dog</w>"];
  const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
  const [start, end] = [pieces.length, pieces.length + 1];
  const mark = (id: number, content: string) => ({
    ...{ id, content, special: true, normalized: false },
    ...{ single_word: false, lstrip: false, rstrip: false },
  });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [mark(start, "<|startoftext|>"), mark(end, "<|endoftext|>")],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFC" },
        { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
        { type: "Lowercase" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        {
          type: "Split",
          pattern: { Regex: "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" },
          behavior: "Removed",
          invert: true,
        },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: "RobertaProcessing",
      sep: ["<|endoftext|>", end],
      cls: ["<|startoftext|>", start],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: null,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: "<|endoftext|>",
      continuing_subword_prefix: "",
      end_of_word_suffix: "</w>",
      fuse_unk: false,
      vocab: { ...vocab, "<|startoftext|>": start, "<|endoftext|>": end },
      merges: ["d o", "do g</w>"],
    },
  };
}

test("merges letters with a CLIP tokenizer, marks both ends and pads to the pack's length", async () => {
  const json = clipTokenizer();
  const folder = await mkdtemp(path.join(tmpdir(), "masklet-tokenizer-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, "tokenizer.json");
  await writeFile(file, JSON.stringify(json));
  const { vocab } = json.model;
  const tokenize = await openTokenizer(file, "tokenizer.json", 9);
  const { ids, mask } = tokenize("  A  Dog!");
  const words = ["<|startoftext|>", "a</w>", "dog</w>", "!</w>", "<|endoftext|>"] as (keyof typeof vocab)[];
  expect([...ids]).toEqual([...words.map((word) => vocab[word]), 0, 0, 0, 0]);
  expect([...mask]).toEqual([1, 1, 1, 1, 1, 0, 0, 0, 0]);
  expect(tokenize("a zebu")).toMatchObject({ wordCount: 2, unknownWords: [] });
  expect(() => tokenize("elephant")).toThrow(
    "The phrase is too long: it has 8 tokens, and this pack reads at most 7.",
  );
});
