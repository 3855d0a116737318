"""Small, fast helpers for drawing random values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
T = TypeVar("T")


def chance(rng: Rng, probability: float) -> bool:
    """Return True with a probability."""
    return rng.random() < probability


def pick(rng: Rng, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """Draw one option; ``weights`` must sum to 1 (much faster than ``Generator.choice``)."""
    if weights is None:
        return options[int(rng.random() * len(options))]
    roll = rng.random()
    for option, weight in zip(options, weights, strict=True):
        roll -= weight
        if roll < 0:
            return option
    return options[-1]


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Draw between two positive bounds, evenly over orders of magnitude."""
    return math.exp(math.log(low) + rng.random() * (math.log(high) - math.log(low)))
