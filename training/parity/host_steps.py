"""Rules that `Sam3VideoModel` applies to masks between its networks, on drawn blobs: inputs, and what its own methods answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import ndimage
from transformers import Sam3VideoConfig, Sam3VideoModel

from .golden import GoldenWriter

SIDE = 36
THRESHOLDS = ("assoc_iou_thresh", "trk_assoc_iou_thresh", "new_det_thresh", "high_conf_thresh", "high_iou_thresh")


def cases(writer: GoldenWriter, seed: int) -> dict[str, list[dict[str, Any]]]:
    rng = np.random.default_rng(seed)
    rules = rules_alone()
    shapes = ((3, 5), (6, 4), (1, 7), (8, 8), (5, 1))
    return {
        "association": [association(writer, rules, rng, *counts) for counts in shapes for _ in range(4)],
        "shrinking": [shrinking(writer, rules, rng, count) for count in (1, 2, 5, 9) for _ in range(4)],
    }


def rules_alone() -> Sam3VideoModel:
    """The video model without its networks."""
    config = Sam3VideoConfig()
    rules = Sam3VideoModel.__new__(Sam3VideoModel)
    torch.nn.Module.__init__(rules)
    for name in THRESHOLDS:
        setattr(rules, name, getattr(config, name))
    return rules


def blobs(rng: np.random.Generator, count: int) -> np.ndarray:
    """float32 [count, SIDE, SIDE]: logits of round things, some on top of one another, some empty; rounded, to compress"""
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    masks = []
    for _ in range(count):
        y, x = rng.choice([10, 14, 22, 26], size=2) + rng.normal(scale=1.2, size=2)
        radius = rng.uniform(4, 9) if rng.random() < 0.85 else -5.0
        masks.append(radius - np.hypot(row - y, column - x) + ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.5))
    return (64 * np.stack(masks)).round().astype(np.float32) / 64


def association(writer: GoldenWriter, rules: Sam3VideoModel, rng: np.random.Generator, detections: int, tracks: int) -> dict[str, Any]:
    found, tracked = blobs(rng, detections), blobs(rng, tracks)
    for index in range(min(detections, tracks) // 2):  # what fits so closely that it may correct a track
        found[index] = tracked[index] + rng.integers(-2, 3) / 64
    scores = rng.uniform(0.5, 1, size=detections).astype(np.float32)
    phrases = rng.integers(0, 2, size=detections), rng.integers(0, 2, size=tracks)
    ids = (10 + rng.permutation(tracks)).tolist()
    born, unmatched, matched, confirmed, empty = rules._associate_det_trk(
        torch.from_numpy(found), torch.from_numpy(scores), torch.from_numpy(tracked), ids, *map(torch.from_numpy, phrases)
    )
    return {
        "detections": writer.add(found), "scores": scores.tolist(), "detectionPhrases": phrases[0].tolist(),
        "tracks": writer.add(tracked), "ids": ids, "trackPhrases": phrases[1].tolist(),
        "thresholds": {name: getattr(rules, name) for name in THRESHOLDS},
        "born": born, "unmatched": unmatched, "empty": empty, "matched": [matched[index] for index in range(detections)],
        "confirmed": [list(pair) for pair in confirmed.items()],
    }  # fmt: skip


def shrinking(writer: GoldenWriter, rules: Sam3VideoModel, rng: np.random.Generator, count: int) -> dict[str, Any]:
    masks, phrases = blobs(rng, count), rng.integers(0, 2, size=count)
    kept = rules._suppress_object_pw_area_shrinkage(torch.from_numpy(masks)[:, None], phrases.tolist())
    return {"masks": writer.add(masks), "phrases": phrases.tolist(), "kept": writer.add(kept[:, 0].numpy())}
