"""The phrases of the training clips.

There are two groups of named objects:

* drawn shapes: colour x shape (``red circle``), pattern x shape (``striped square``) and colour x pattern x shape
  (``red striped square``);
* pictures of concrete nouns (``dog``), rendered from emoji artwork in several styles.

All phrases are lower case.  ``ALL_PHRASES`` contains every phrase that an object can have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .pictures import PICTURES, picture_maybe

# --------------------------------------------------------------------------------------------------
# Shapes
# --------------------------------------------------------------------------------------------------

COLOURS: tuple[str, ...] = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
    "gray",
    "cyan",
)
PATTERNS: tuple[str, ...] = ("striped", "dotted", "checkered")

# Shape -> names that are all correct for it.  The first one is the canonical name.
SHAPE_NAMES: dict[str, tuple[str, ...]] = {
    "circle": ("circle",),
    "ball": ("ball", "sphere"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "rectangle": ("rectangle", "box"),
    "ellipse": ("ellipse", "oval"),
    "star": ("star",),
    "pentagon": ("pentagon",),
    "hexagon": ("hexagon",),
    "diamond": ("diamond", "rhombus"),
    "cross": ("cross",),
    "ring": ("ring",),
    "heart": ("heart",),
    "crescent": ("crescent",),
}

# Shape -> names that some people would also accept: neither correct nor wrong.
SHAPE_MAYBE: dict[str, tuple[str, ...]] = {
    "circle": ("ball", "ellipse", "oval", "sphere"),
    "ball": ("circle", "ellipse", "oval"),
    "square": ("rectangle", "diamond", "rhombus"),
    "rectangle": ("square",),
    "ellipse": ("circle",),
    "diamond": ("square",),
    "ring": ("circle",),
    "crescent": ("moon",),
}

COLOUR_SPELLINGS: dict[str, tuple[str, ...]] = {"gray": ("gray", "grey")}


def shape_phrases(shape: str, colour: str, pattern: str | None = None) -> list[str]:
    """Return every vocabulary phrase that describes a drawn shape correctly."""
    phrases: list[str] = []
    for name in SHAPE_NAMES[shape]:
        phrases.append(name)
        if pattern is not None:
            phrases.append(f"{pattern} {name}")
        middle = f"{pattern} " if pattern else ""
        phrases.extend(f"{c} {middle}{name}" for c in COLOUR_SPELLINGS.get(colour, (colour,)))
    return phrases


def shape_maybe(shape: str, colour: str, pattern: str | None = None) -> list[str]:
    """Return phrases that are debatable for a drawn shape."""
    colours = COLOUR_SPELLINGS.get(colour, (colour,))
    phrases: list[str] = []
    for name in SHAPE_MAYBE.get(shape, ()):
        phrases.append(name)
        phrases.extend(f"{c} {name}" for c in colours)
        if pattern:
            phrases.append(f"{pattern} {name}")
            phrases.extend(f"{c} {pattern} {name}" for c in colours)
    if pattern:  # whether a red-and-white striped square is "a red square" is debatable
        phrases.extend(f"{c} {name}" for name in SHAPE_NAMES[shape] for c in colours)
    return [p for p in phrases if p in PHRASE_SET]


def _all_shape_phrases() -> list[str]:
    phrases: dict[str, None] = {}
    for shape in SHAPE_NAMES:
        for pattern in (None, *PATTERNS):
            if pattern and shape == "ball":
                continue
            for colour in COLOURS:
                phrases.update(dict.fromkeys(shape_phrases(shape, colour, pattern)))
    return list(phrases)


# --------------------------------------------------------------------------------------------------
# Everything
# --------------------------------------------------------------------------------------------------

SHAPE_PHRASES: tuple[str, ...] = tuple(_all_shape_phrases())
PICTURE_PHRASES: tuple[str, ...] = tuple(dict.fromkeys(p for row in PICTURES for p in row.phrases))
ALL_PHRASES: tuple[str, ...] = tuple(dict.fromkeys(SHAPE_PHRASES + PICTURE_PHRASES))
PHRASE_SET: frozenset[str] = frozenset(ALL_PHRASES)


def rival_phrases() -> NDArray[np.bool_]:
    """Return which phrases exclude each other ([phrases, phrases], order of ``ALL_PHRASES``): no object has both, not
    even as debatable phrases.
    """
    shapes = [(s, c, p) for s in SHAPE_NAMES for c in COLOURS for p in (None, *PATTERNS) if not (p and s == "ball")]
    labels = [shape_phrases(*spec) + shape_maybe(*spec) for spec in shapes]
    labels += [list(row.phrases) + picture_maybe(row.phrases) for row in PICTURES]
    column = {phrase: index for index, phrase in enumerate(ALL_PHRASES)}
    rivals = np.ones((len(column), len(column)), bool)
    for phrases in labels:
        own = [column[phrase] for phrase in phrases if phrase in column]
        rivals[np.ix_(own, own)] = False
    return rivals
