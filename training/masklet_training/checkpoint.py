"""Reads checkpoints for all steps after training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .model.compact import CompactModel

AFTER_TRAINING = ("detector.judge.", "detector.evidence_")  # fitted by `calibrate.py`


def load_weights(model: CompactModel, weights: dict[str, torch.Tensor]) -> list[str]:
    """Loads the weights that match. Omits a calibration network of another shape. Returns the names of missing weights."""
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    fitting = {key: value for key, value in weights.items() if not (key.startswith(AFTER_TRAINING) and shapes.get(key) != value.shape)}
    return model.load_state_dict(fitting, strict=False).missing_keys


def load_average(path: Path) -> tuple[CompactModel, dict[str, Any]]:
    """The model with a checkpoint's averaged weights, ready for inference, and everything else that was saved."""
    saved = torch.load(path, weights_only=True)
    model = CompactModel().eval()
    lacking = load_weights(model, saved["average"])
    if any(not key.startswith(AFTER_TRAINING) for key in lacking):
        raise ValueError(f"{path} is not a checkpoint of this network: {lacking[0]} is missing")
    return model, saved
