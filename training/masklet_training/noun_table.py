"""The nouns of the second version: phrases of up to five words, and the classes that each of them names.

ImageNet's classes come from WordNet (`nouns.py`), and those of the box detector from `coco_words.py`. A noun that both know
has classes of both. Every word has an id; a plural has the id of its singular, so that both are the same phrase to all
graphs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from . import coco_words
from .nouns import imagenet_classes, noun_table, read_irregular, read_synsets
from .vocabulary import COLOUR_SPELLINGS, COLOURS, PATTERNS, SHAPE_NAMES

LONGEST = 5  # words of a phrase
PAD, UNKNOWN = 0, 1  # ids of padding and ignored words, and of unknown words
PERSON = 0  # class of the box detector
ARTICLES = ("a", "an", "the", "this", "that", "these", "those", "some", "any", "all", "every", "each", "my", "your", "its", "his", "her")
PREPOSITIONS = (
    "on", "in", "at", "of", "with", "without", "under", "over", "near", "behind", "beside", "by", "from", "to", "into",
    "inside", "outside", "between", "for", "who", "which", "wearing", "riding", "holding", "carrying", "sitting", "standing",
    "walking", "running",
)  # fmt: skip
CONJUNCTIONS = ("and", "or")
COLOUR_WORDS = {word: index for index, colour in enumerate(COLOURS) for word in COLOUR_SPELLINGS.get(colour, (colour,))}
# Shapes are drawn things: photographs are not searched for them, except for balls.
SHAPES = {name for names in SHAPE_NAMES.values() for name in names} - {"ball"}
# What a photograph of the class "cup" shows is a full cup; the class of mugs is another. WordNet has no words for these.
EXTRA = {
    "cup": ("cup", "coffee mug"),
    "mug": ("coffee mug",),
    "kettle": ("coffeepot", "teapot"),
    "swan": ("black swan",),
    "cow": ("ox",),
    "rucksack": ("backpack",),
    "chicken": ("hen", "cock"),
    "rooster": ("cock",),
}
# Rare meanings in WordNet, which a user does not expect: a lion is no "cat", and a mosquito net no "screen".
UNMEANT = {
    "cat": ("big cat",),
    "house": ("theater",),
    "plate": ("breastplate", "pickelhaube", "puck"),
    "dress": ("mask", "wig", "jean"),
    "ball": ("bubble",),
    "screen": ("mosquito net", "fire screen", "window screen", "shower curtain", "theater curtain", "window shade", "shoji"),
    "monitor": ("komodo dragon",),
    "car": ("railcar",),
    "light": ("lighter",),
}


@dataclass(frozen=True)
class Lexicon:
    """Words and nouns"""

    vocabulary: dict[str, int]
    """Ids of words; 0 for words that are ignored"""
    trained: int
    """Ids below this one are those of the compact detector"""
    phrases: list[tuple[int, ...]]
    """Words of each noun"""
    classes: list[tuple[tuple[int, ...], tuple[int, ...], bool]]
    """Of each noun: ImageNet's classes, the box detector's classes, and whether the latter contain more than the noun"""
    colours: dict[int, int]
    """Id of a word → colour"""
    modifiers: tuple[int, ...]
    """Ids of colours and patterns"""
    pieces: tuple[bool, ...]
    """Of each noun, whether the compact detector learned it as unknown words: those with hyphens"""


def split_words(phrase: str) -> list[str]:
    """As the tokenizer: hyphens are words of their own"""
    return re.findall(r"\w+|[^\w\s]+", phrase.lower())


def plural(word: str) -> str:
    """The regular plural"""
    if re.search(r"(s|x|z|ch|sh)$", word):
        return word + "es"
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word[:-3] + "men" if word.endswith("man") else word + "s"


def all_nouns(wordnet: Path) -> tuple[dict[str, tuple[set[int], set[int]]], dict[str, str]]:
    """Nouns → ImageNet's and the box detector's classes, and irregular plurals → singulars.

    :param wordnet: folder with WordNet's `data.noun`
    """
    data = next(wordnet.rglob("data.noun"))
    seen = noun_table(imagenet_classes(), read_synsets(data))
    boxed = coco_words.class_words()
    nouns = {noun: (set(seen.get(noun, ())), set(boxed.get(noun, ()))) for noun in {*seen, *boxed, *EXTRA}}
    for noun, others in EXTRA.items():
        for other in others:
            nouns[noun][0].update(seen[other])
    for noun, others in UNMEANT.items():
        for other in others:
            nouns[noun][0].difference_update(seen[other])
    for seen, boxed_classes in nouns.values():
        if PERSON in boxed_classes:  # ImageNet's three classes of persons, such as divers, do not tell where a person is
            seen.clear()
    return nouns, read_irregular(data.with_name("noun.exc"))


def containing(seen: set[int], nouns: dict[str, tuple[set[int], set[int]]]) -> set[int]:
    """The box detector's classes that contain ImageNet's classes: "bird" for those of "eagle\""""
    known = ((index, nouns[name][0]) for index, name in enumerate(coco_words.CLASSES) if name in nouns)
    return {index for index, classes in known if seen and seen <= classes}


def classes_of(
    seen: set[int], boxed: set[int], nouns: dict[str, tuple[set[int], set[int]]]
) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """A noun's entry in `Lexicon.classes`"""
    wider = set() if boxed else containing(seen, nouns)
    return tuple(sorted(seen)), tuple(sorted(boxed or wider)), bool(wider)


def build_lexicon(known: list[str], nouns: dict[str, tuple[set[int], set[int]]], irregular: dict[str, str]) -> Lexicon:
    """:param known: words of the compact detector, whose ids start at 2"""
    vocabulary = {word: index for index, word in enumerate(known, 2)}
    trained = len(known) + 2
    cut = trained
    vocabulary |= {word: 0 for word in ARTICLES if word not in vocabulary}
    vocabulary |= {word: cut for word in PREPOSITIONS if word not in vocabulary}
    vocabulary |= {word: cut + 1 for word in CONJUNCTIONS if word not in vocabulary}
    following = cut + 2
    phrases: dict[tuple[int, ...], tuple[set[int], set[int]]] = {}
    hyphenated = {word for word in known if "-" in word}
    pieces: set[tuple[int, ...]] = set()
    # Other words of the compact detector are nouns without classes: an "orange star" is no orange.
    drawn = {word for word in known if word not in COLOUR_WORDS and word not in PATTERNS}
    for noun in sorted({*nouns, *drawn}):
        words = split_words(noun)
        if not 1 <= len(words) <= LONGEST or any(word in (*ARTICLES, *PREPOSITIONS, *CONJUNCTIONS) for word in words):
            continue
        for word in words:
            if word not in vocabulary:
                vocabulary[word] = following
                following += 1
        key = tuple(vocabulary[word] for word in words)
        seen, boxed = phrases.setdefault(key, (set(), set()))
        if noun in nouns and noun not in SHAPES:
            seen.update(nouns[noun][0])
            boxed.update(nouns[noun][1])
        if noun in hyphenated:
            pieces.add(key)
    for singular in list(vocabulary):
        if vocabulary[singular] not in (0, cut, cut + 1):
            vocabulary.setdefault(plural(singular), vocabulary[singular])
    for word, singular in irregular.items():
        if singular in vocabulary and "_" not in word:
            vocabulary.setdefault(word, vocabulary[singular])
    colours = {vocabulary[word]: colour for word, colour in COLOUR_WORDS.items() if word in vocabulary}
    patterns = [vocabulary[word] for word in PATTERNS if word in vocabulary]
    return Lexicon(
        vocabulary,
        trained,
        list(phrases),
        [classes_of(seen, boxed, nouns) for seen, boxed in phrases.values()],
        colours,
        tuple([*colours, *patterns]),
        tuple(phrase in pieces for phrase in phrases),
    )
