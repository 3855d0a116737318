"""Reading checkpoints for everything that comes after training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .model.compact import CompactModel

AFTER_TRAINING = ("detector.judge.", "detector.evidence_")  # fitted by `calibrate.py`


def load_weights(model: CompactModel, weights: dict[str, torch.Tensor]) -> list[str]:
    """Loads what fits; a judge of another shape, fitted to other evidence, is left out. Returns what was lacking."""
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    fitting = {key: value for key, value in weights.items() if not (key.startswith(AFTER_TRAINING) and shapes.get(key) != value.shape)}
    return model.load_state_dict(fitting, strict=False).missing_keys


def load_average(path: Path) -> tuple[CompactModel, dict[str, Any]]:
    """The averaged weights of a checkpoint, ready to run, and all that was saved beside them."""
    saved = torch.load(path, weights_only=True)
    model = CompactModel().eval()
    lacking = load_weights(model, saved["average"])
    if any(not key.startswith(AFTER_TRAINING) for key in lacking):
        raise ValueError(f"{path} is not a checkpoint of this network: it lacks {lacking[0]}")
    return model, saved
