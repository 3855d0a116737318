"""Rules that `Sam3VideoModel` applies between its networks, on drawn blobs and scripted tracks: inputs, and the results
of its own methods.
"""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from scipy import ndimage
from transformers import Sam3VideoConfig, Sam3VideoModel
from transformers.models.sam3_video import modeling_sam3_video

from .golden import GoldenWriter

SIDE = 36
FRAMES = 30
THRESHOLDS = ("assoc_iou_thresh", "trk_assoc_iou_thresh", "new_det_thresh", "high_conf_thresh", "high_iou_thresh")


def cases(writer: GoldenWriter, seed: int) -> dict[str, list[dict[str, Any]]]:
    rng = np.random.default_rng(seed)
    rules = rules_alone()
    shapes = ((3, 5), (6, 4), (1, 7), (8, 8), (5, 1))
    return {
        "association": [association(writer, rules, rng, *counts) for counts in shapes for _ in range(4)],
        "shrinking": [shrinking(writer, rules, rng, count) for count in (1, 2, 5, 9) for _ in range(4)],
        "suppression": [suppression(writer, rng, count, iou) for count in (1, 4, 9, 16) for iou in (0.1, 0.3, 0.7)],
        "hotstart": [hotstart(rules, rng, reverse) for reverse in (False, True) for _ in range(8)],
    }


def rules_alone() -> Sam3VideoModel:
    """The video model without its networks"""
    config = Sam3VideoConfig()
    rules = Sam3VideoModel.__new__(Sam3VideoModel)
    torch.nn.Module.__init__(rules)
    for name in THRESHOLDS:
        setattr(rules, name, getattr(config, name))
    return rules


def blobs(rng: np.random.Generator, count: int) -> np.ndarray:
    """Logits of round blobs, some overlapping, some empty, rounded so that they compress: float32 [count, SIDE, SIDE]"""
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    masks = []
    for _ in range(count):
        y, x = rng.choice([10, 14, 22, 26], size=2) + rng.normal(scale=1.2, size=2)
        radius = rng.uniform(4, 9) if rng.random() < 0.85 else -5.0
        masks.append(radius - np.hypot(row - y, column - x) + ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.5))
    return (64 * np.stack(masks)).round().astype(np.float32) / 64


def association(writer: GoldenWriter, rules: Sam3VideoModel, rng: np.random.Generator, detections: int, tracks: int) -> dict[str, Any]:
    found, tracked = blobs(rng, detections), blobs(rng, tracks)
    for index in range(min(detections, tracks) // 2):  # close enough to correct a track
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


def suppression(writer: GoldenWriter, rng: np.random.Generator, count: int, iou: float) -> dict[str, Any]:
    """Mask non-maximum suppression: the method of transformers, with a Python version of its optional kernel."""
    masks = blobs(rng, count) > 0
    scores = rng.uniform(0.3, 1, size=count).astype(np.float32)
    with patch.object(modeling_sam3_video, "cv_utils_kernel", SimpleNamespace(generic_nms=greedy)):
        kept = modeling_sam3_video.nms_masks(torch.from_numpy(scores), torch.from_numpy(masks), 0.5, iou)
    return {
        "masks": writer.add(masks), "scores": scores.tolist(), "scoreThreshold": 0.5, "maxIou": iou,
        "kept": np.flatnonzero(kept.numpy()).tolist(),
    }  # fmt: skip


def greedy(ious: torch.Tensor, scores: torch.Tensor, limit: float, use_iou_matrix: bool) -> torch.Tensor:
    """Replaces the kernel: in order of score, keeps each mask unless its IoU with a kept one exceeds the limit."""
    assert use_iou_matrix
    kept: list[int] = []
    for index in scores.argsort(descending=True, stable=True).tolist():
        if all(ious[index, other] <= limit for other in kept):
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long)


def hotstart(rules: Sam3VideoModel, rng: np.random.Generator, reverse: bool) -> dict[str, Any]:
    """Thirty frames of objects that appear, are matched, left unmatched and duplicated, until the rules remove them."""
    settings = {
        "hotstart_delay": int(rng.integers(4, 16)), "hotstart_unmatch_thresh": int(rng.integers(2, 7)),
        "hotstart_dup_thresh": int(rng.integers(2, 7)), "suppress_unmatched_only_within_hotstart": bool(rng.random() < 0.5),
        "init_trk_keep_alive": int(rng.integers(1, 5)), "max_trk_keep_alive": int(rng.integers(4, 9)),
        "min_trk_keep_alive": -int(rng.integers(1, 4)), "decrease_trk_keep_alive_for_empty_masklets": bool(rng.random() < 0.5),
    }  # fmt: skip
    for name, value in settings.items():
        setattr(rules, name, value)
    known: dict[str, Any] = {
        "obj_first_frame_idx": {}, "unmatched_frame_inds": defaultdict(list), "trk_keep_alive": {},
        "overlap_pair_to_frame_inds": defaultdict(list), "removed_obj_ids": set(), "suppressed_obj_ids": defaultdict(set),
    }  # fmt: skip
    # Behaviour differs per object: some are rarely matched, some mostly share the previous object's detection.
    habits = [(rng.uniform(0.2, 0.95), rng.random() < 0.4) for _ in range(9)]
    living: list[int] = []
    frames, unborn = [], list(range(len(habits)))
    for frame in range(FRAMES)[:: -1 if reverse else 1]:
        matched: list[list[int]] = []
        unmatched: list[int] = []
        empty: list[int] = []
        for each in living:
            likely, doubles = habits[each]
            if rng.random() > likely:
                (empty if rng.random() < 0.2 else unmatched).append(each)
            elif doubles and matched:
                matched[-1].append(each)
            else:
                matched.append([each])
        born = [unborn.pop(0) for _ in range(int(rng.integers(0, 3))) if unborn]
        removed, known = rules._process_hotstart(None, frame, reverse, dict(enumerate(matched)), born, empty, unmatched, known)
        living = [each for each in [*living, *born] if each not in removed]
        frames.append({
            "frame": frame, "born": born, "matched": matched, "unmatched": unmatched, "empty": empty,
            "removed": sorted(removed), "suppressed": sorted(known["suppressed_obj_ids"][frame]),
            "keepAlive": sorted(known["trk_keep_alive"].items()),
        })  # fmt: skip
    return {"reverse": reverse, "settings": settings, "frames": frames}
