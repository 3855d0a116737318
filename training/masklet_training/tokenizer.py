"""The compact pack's tokenizer: lower-case words, one id each; unknown words share one id."""

from __future__ import annotations

import json

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from .vocabulary import ALL_PHRASES

PAD, UNKNOWN = "[PAD]", "[UNK]"


def words() -> list[str]:
    """Every word of the vocabulary's phrases, in a stable order."""
    return sorted({word for phrase in ALL_PHRASES for word in phrase.lower().split()})


def build_tokenizer(known: list[str] | None = None) -> Tokenizer:
    """Word-level tokenizer. Ids: 0 padding, 1 unknown, then `known`, by default the present vocabulary. A checkpoint
    contains the words it was trained with.
    """
    vocabulary = {PAD: 0, UNKNOWN: 1}
    for word in words() if known is None else known:
        vocabulary[word] = len(vocabulary)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def lexicon_tokenizer(vocabulary: dict[str, int]) -> str:
    """A `tokenizer.json` with given ids, of which several words may share one."""
    content = json.loads(build_tokenizer([]).to_str())
    # The library would write one word of each id.
    content["model"]["vocab"] = {PAD: 0, UNKNOWN: 1} | vocabulary
    return json.dumps(content, ensure_ascii=False)
