"""Hole filling and speck removal as defined by `fill_holes_in_mask_scores` of transformers, with connected components
from scipy. transformers skips both where its optional kernels are not installed.
"""

from typing import Any

import numpy as np
from scipy import ndimage

from .golden import GoldenWriter

EIGHT = np.ones((3, 3), dtype=int)


def clean(logits: np.ndarray, largest: int) -> np.ndarray:
    """Fills holes (set to 0.1), then removes specks (set to -0.1), of at most `largest` pixels.

    :param logits: float32 [m, m]
    :return: float32 [m, m]
    """
    cleaned = logits.copy()
    cleaned[_areas(cleaned <= 0) <= largest] = 0.1
    inside = cleaned > 0
    cleaned[_areas(inside) <= min(largest, int(inside.sum()) // 2)] = -0.1
    return cleaned


def _areas(inside: np.ndarray) -> np.ndarray:
    """Size of the component of each pixel inside; the largest int32 for all other pixels."""
    labels, count = ndimage.label(inside, structure=EIGHT)
    areas = ndimage.sum_labels(np.ones_like(labels), labels, np.arange(count + 1)).astype(int)
    areas[0] = np.iinfo(np.int32).max
    return areas[labels]


def cases(writer: GoldenWriter, seed: int) -> list[dict[str, Any]]:
    """Noise of several grain sizes, on grids of several sizes, cleaned with several area limits."""
    rng = np.random.default_rng(seed)
    made = []
    for side, largest in ((28, 16), (32, 16), (45, 4), (64, 40), (36, 0), (40, 2000)):
        logits, cleaned = [], []
        for grain in (0.0, 0.7, 1.5, 3.0):
            noise = rng.normal(size=(side, side)) + rng.uniform(-0.3, 0.3)
            mask = (4 * (ndimage.gaussian_filter(noise, grain) if grain else noise)).astype(np.float32)
            logits.append(mask)
            cleaned.append(clean(mask, largest) if largest > 0 else mask)
        changed = sum(int((a != b).sum()) for a, b in zip(logits, cleaned))
        assert (changed > 0) == (largest > 0), "this case must change pixels if and only if its limit is positive"
        made.append({"largest": largest, "logits": writer.add(np.stack(logits)), "cleaned": writer.add(np.stack(cleaned))})
    return made
