"""Phrases of the recorded clips, and a CLIP-style tokenizer with a few hundred entries, so that the text tower of a
small model stays small.
"""

from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

PHRASES = ("round thing", "square thing", "any shape")
"""Phrases for the kinds of `scene`; `KINDS_OF_PHRASE` maps a phrase index to kinds."""
KINDS_OF_PHRASE = ((0,), (1, 2), (0, 1, 2))
LENGTH = 32


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Works like CLIP's tokenizer: byte-level pairs with an end-of-word mark, lower case, start and end tokens."""
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>", fuse_unk=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=640,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
    )
    tokenizer.train_from_iterator([*PHRASES, "visual"] * 4, trainer)
    start, end = tokenizer.token_to_id("<|startoftext|>"), tokenizer.token_to_id("<|endoftext|>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>",
        special_tokens=[("<|startoftext|>", start), ("<|endoftext|>", end)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|startoftext|>",
        eos_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        model_max_length=LENGTH,
    )


def encode(tokenizer: PreTrainedTokenizerFast, phrases: list[str]) -> dict:
    """Encodes as `Sam3VideoProcessor.add_text_prompt` does: int64 `input_ids` and `attention_mask`, [phrases, LENGTH]
    each.
    """
    return dict(tokenizer(phrases, return_tensors="pt", padding="max_length", max_length=LENGTH))


def save(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    tokenizer.save_pretrained(folder)
