"""Stickers, the training data of the namer's pixel branch"""

from __future__ import annotations

import cv2
import numpy as np

from masklet_training.library import SpriteLibrary
from masklet_training.stickers import SIDE, sticker, sticker_batch
from masklet_training.vocabulary import ALL_PHRASES, PHRASE_SET

LIBRARY = SpriteLibrary(None, "train")  # shapes and blobs only, without downloads


def test_stickers_match_their_names() -> None:
    """The pixels under the outline of a plain object have its colour, whatever the background."""
    rng = np.random.default_rng(4)
    checked = 0
    for _ in range(400):
        one = sticker(rng, LIBRARY, 0.0)
        assert one.pixels.shape == (SIDE, SIDE, 3) and one.outline.shape[0] == one.outline.shape[1]
        assert 0 <= one.outline.min() and one.outline.max() <= 1 and (one.outline > 0.5).sum() >= 6
        assert set(one.phrases) <= PHRASE_SET
        if any("red" in phrase.split() for phrase in one.phrases) and len(max(one.phrases, key=len).split()) == 2:
            cells = cv2.resize(one.pixels, one.outline.shape, interpolation=cv2.INTER_NEAREST)
            inside = cells[one.outline > 0.9]
            if len(inside) > 30:
                red, green, blue = np.median(inside, 0)
                assert red > green and red > blue
                checked += 1
    assert checked >= 5


def test_equal_seeds_give_equal_batches_with_the_names_in_columns() -> None:
    one, again, other = (sticker_batch(np.random.default_rng(seed), LIBRARY, 0.0, 12) for seed in (1, 1, 2))
    assert all(np.array_equal(one[key], again[key]) for key in one)
    assert not np.array_equal(one["sharp"], other["sharp"])
    named = one["positive"].any(1)
    assert named.mean() > 0.5 and not (one["positive"] & one["doubtful"]).any()
    first = int(np.flatnonzero(named)[0])
    words = [ALL_PHRASES[column].split()[-1] for column in np.flatnonzero(one["positive"][first])]
    assert len(set(words)) <= 3  # a shape has few names, each with and without its colour and pattern
