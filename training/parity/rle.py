"""Decoder for COCO's compressed run-length text, as defined by pycocotools."""

from typing import Any

import numpy as np


def decode(mask: dict[str, Any]) -> np.ndarray:
    """:return: bool [height, width]"""
    height, width = mask["size"]
    runs = _runs(mask["counts"])
    bits = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return bits.reshape(width, height).T


def _runs(text: str) -> list[int]:
    """Each character holds six bits: five bits of data, lowest first, and a continuation bit. From the fourth run on, a
    value is the difference from the run two before.
    """
    runs: list[int] = []
    at = 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(text[at]) - 48
            value |= (bits & 31) << shift
            more = bool(bits & 32)
            shift += 5
            at += 1
            if not more and bits & 16:
                value |= -1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs
