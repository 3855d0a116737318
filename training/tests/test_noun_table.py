"""Phrases → nouns, colours, and the words that the compact detector reads."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer

from masklet_training import coco_words
from masklet_training.model.phrase_code import NounReader, PhraseCode, pack_code, unpack_code
from masklet_training.noun_table import build_lexicon, plural
from masklet_training.tokenizer import lexicon_tokenizer

KNOWN = ["ball", "bear", "black", "circle", "dog", "ghost", "orange", "red", "striped", "glass", "glasses", "t-shirt"]
NOUNS = {
    "dog": ({1, 2}, {16}),
    "bird": ({7, 10}, {14}),
    "swan": ({7}, set()),
    "black swan": ({7}, set()),
    "bear": ({3, 4}, {21}),
    "polar bear": ({4}, set()),
    "ball": ({5}, {32}),
    "goose": ({999}, set()),
    "person": (set(), {0}),
    "t-shirt": ({8}, set()),
    "circle": ({9}, set()),
    "orange": ({6}, {49}),
}
LEXICON = build_lexicon(KNOWN, NOUNS, {"geese": "goose", "mice": "mouse"})


def read(phrase: str) -> tuple[PhraseCode, list[str]]:
    tokens = Tokenizer.from_str(lexicon_tokenizer(LEXICON.vocabulary)).encode(phrase).ids
    ids = torch.zeros(1, 16, dtype=torch.int32)
    ids[0, : len(tokens)] = torch.tensor(tokens, dtype=torch.int32)
    mask = (torch.arange(16) < len(tokens)).int().unsqueeze(0)
    code, words = NounReader(LEXICON)(ids, mask)
    names = {number: word for word, number in reversed(LEXICON.vocabulary.items())}
    return code, [names[int(number)] for number, counts in zip(ids[0], words[0], strict=True) if counts]


@pytest.mark.parametrize(
    ("phrase", "seen", "boxed", "colour", "drawn"),
    [
        ("dog", [1, 2], [16], [], ["dog"]),
        ("Dogs!", [1, 2], [16], [], ["dog"]),
        ("the black dogs", [1, 2], [16], [8], ["black", "dog"]),
        ("black swan", [7], [14], [], None),
        ("polar bears", [4], [21], [], None),
        ("red polar bear", [4], [21], [0], None),
        ("geese", [999], [], [], None),
        ("big red ball", [5], [32], [0], ["red", "ball"]),
        ("dog with a red ball", [1, 2], [16], [], ["dog"]),
        ("black and red dog", [1, 2], [16], [0, 8], ["black", "red", "dog"]),
        ("black and red dog on a ball", [1, 2], [16], [0, 8], ["black", "red", "dog"]),
        ("red dog and a bear", [1, 2], [16], [0], ["red", "dog"]),
        ("person riding a bear", [], [0], [], None),
        ("red T-shirts", [8], [], [0], ["red", "t", "-", "shirt"]),
        ("red circle", [], [], [0], ["red", "circle"]),
        ("orange", [6], [49], [], ["orange"]),
        ("orange circle", [], [], [1], ["orange", "circle"]),
        ("orange ghost", [], [], [1], ["orange", "ghost"]),
        ("orange dog", [1, 2], [16], [1], ["orange", "dog"]),
        ("striped", [], [], [], ["striped"]),
        ("red flurble", [], [], [0], None),
        ("flurble", [], [], [], None),
        ("собака", [], [], [], None),
        ("?!", [], [], [], None),
        ("the", [], [], [], None),
        ("with", [], [], [], None),
        ("glasses", [], [], [], ["glasses"]),
    ],
)
def test_a_phrase_is_a_noun_and_a_colour(
    phrase: str, seen: list[int], boxed: list[int], colour: list[int], drawn: list[str] | None
) -> None:
    code, words = read(phrase)
    assert code.seen[0].nonzero()[:, 0].tolist() == seen
    assert code.boxed[0].nonzero()[:, 0].tolist() == boxed
    assert code.colour[0].nonzero()[:, 0].tolist() == colour
    assert bool(code.drawn) == (drawn is not None)
    if drawn:
        assert words == drawn
    assert all(torch.equal(a, b) for a, b in zip(code, unpack_code(pack_code(code)), strict=True))


@pytest.mark.parametrize(("phrase", "narrow"), [("bird", 0), ("birds", 0), ("swan", 1), ("polar bears", 1), ("goose", 0), ("flurble", 0)])
def test_a_noun_may_be_narrower_than_its_box(phrase: str, narrow: int) -> None:
    assert int(read(phrase)[0].narrow) == narrow


def test_a_phrase_of_the_full_length_is_read() -> None:
    code, _ = read("flurble " * 15 + "dog")
    assert code.seen[0].nonzero()[:, 0].tolist() == [1, 2]


def test_words_of_the_compact_detector_keep_their_ids_and_plurals_share_them() -> None:
    assert [LEXICON.vocabulary[word] for word in KNOWN] == list(range(2, 2 + len(KNOWN)))
    assert LEXICON.vocabulary["balls"] == LEXICON.vocabulary["ball"] and LEXICON.vocabulary["geese"] == LEXICON.vocabulary["goose"]
    assert LEXICON.vocabulary["glasses"] != LEXICON.vocabulary["glass"]
    assert [plural(word) for word in ("dog", "bus", "pony", "donkey", "woman")] == ["dogs", "buses", "ponies", "donkeys", "women"]


def test_every_class_of_the_box_detector_has_a_name() -> None:
    words = coco_words.class_words()
    assert len(coco_words.CLASSES) == 80
    assert {index for found in words.values() for index in found} == set(range(80))
    assert words["person"] == words["woman"] == [0] and len(words["animal"]) == 10
