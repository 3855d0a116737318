"""Nouns for the classes of ImageNet: the names of each class, of its ancestors in WordNet, and their plurals.

    python -m masklet_training.nouns --wordnet .cache/words --out .cache/nouns.json --try dogs --try "motor scooter"

The classes of ImageNet are synsets of WordNet 3.0. The pretrained network has 118 classes for breeds of dogs, and none for
"dog". The table lists the classes of each noun, whose probabilities can be added. Sources: the Debian package `wordnet-base` and the list of classes inside `timm`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

# Ancestors of more than this share of the classes, such as "artifact" or "whole", are too general for a phrase.
WIDEST = 0.45
HYPERNYMS = ("@", "@i")  # "is a kind of", "is an instance of"
# Endings of regular plurals and their singulars, from WordNet's morphology (`morphy`).
ENDINGS = (("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y"), ("s", ""))


@dataclass(frozen=True)
class Synset:
    """A meaning: its words, and the meanings that contain it"""

    words: tuple[str, ...]
    parents: tuple[str, ...]


def read_synsets(path: Path) -> dict[str, Synset]:
    """The nouns of WordNet's file `data.noun`, by identifier such as "n02084071"."""
    synsets = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):  # the licence
            continue
        fields = line.split(" | ")[0].split()
        count = int(fields[3], 16)
        words = tuple(word.replace("_", " ").lower() for word in fields[4 : 4 + 2 * count : 2])
        pointers = fields[5 + 2 * count :]
        parents = tuple(f"n{pointers[i + 1]}" for i in range(0, len(pointers), 4) if pointers[i] in HYPERNYMS)
        synsets[f"n{fields[0]}"] = Synset(words, parents)
    return synsets


def read_irregular(path: Path) -> dict[str, str]:
    """Plural → singular, from WordNet's file `noun.exc`."""
    pairs = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {plural.replace("_", " "): singulars[0].replace("_", " ") for plural, *singulars in pairs if singulars}


def lineage(identifier: str, synsets: dict[str, Synset]) -> set[str]:
    """A synset and all its ancestors."""
    seen: set[str] = set()
    left = [identifier]
    while left:
        each = left.pop()
        if each not in seen:
            seen.add(each)
            left += synsets[each].parents
    return seen


def noun_table(classes: list[str], synsets: dict[str, Synset]) -> dict[str, list[int]]:
    """Noun → the classes that it names, as indices into `classes`.

    :raises ValueError: naming the class that WordNet lacks
    """
    members: dict[str, set[int]] = {}
    for index, identifier in enumerate(classes):
        if identifier not in synsets:
            raise ValueError(f"class {index} is {identifier}, which is not a noun of WordNet 3.0")
        for each in lineage(identifier, synsets):
            members.setdefault(each, set()).add(index)
    table: dict[str, set[int]] = {}
    for identifier, found in members.items():
        if len(found) <= WIDEST * len(classes):
            for word in synsets[identifier].words:
                table.setdefault(word, set()).update(found)
    return {word: sorted(found) for word, found in sorted(table.items())}


def singulars(noun: str, irregular: dict[str, str]) -> list[str]:
    """The noun, and the singulars of which it may be the plural; of several words only the last one changes."""
    *before, last = noun.lower().split()
    found = [last]
    if last in irregular:
        found.append(irregular[last])
    found += [last[: -len(ending)] + single for ending, single in ENDINGS if last.endswith(ending) and len(last) > len(ending) + 1]
    return [" ".join([*before, word]) for word in dict.fromkeys(found)]


def find_classes(noun: str, table: dict[str, list[int]], irregular: dict[str, str]) -> list[int]:
    """The classes that a noun names, singular or plural; empty for unknown nouns."""
    return next((table[word] for word in singulars(noun, irregular) if word in table), [])


def imagenet_classes() -> list[str]:
    """The identifiers of the 1,000 classes, in the order of the network's outputs."""
    import timm

    return (Path(timm.__file__).parent / "data" / "_info" / "imagenet_synsets.txt").read_text().split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordnet", type=Path, required=True, help="folder of fetch_assets with the package wordnet-base")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--try", dest="nouns", action="append", default=[], help="prints the classes of a noun, repeatable")
    options = parser.parse_args()
    data = next(options.wordnet.rglob("data.noun"))
    synsets, irregular = read_synsets(data), read_irregular(data.with_name("noun.exc"))
    classes = imagenet_classes()
    table = noun_table(classes, synsets)
    options.out.write_text(json.dumps({"classes": classes, "nouns": table, "irregular": irregular}))
    print(f"{len(table)} nouns for {len(classes)} classes")
    for noun in options.nouns:
        found = find_classes(noun, table, irregular)
        names = [synsets[classes[index]].words[0] for index in found[:6]]
        print(f"{noun}: {len(found)} classes: {', '.join(names)}{', …' if len(found) > 6 else ''}")


if __name__ == "__main__":
    main()
