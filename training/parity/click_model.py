"""Creates a random Sam2VideoModel or EdgeTamVideoModel per seed, fitted to the clip it is recorded on, and saves it as a
checkpoint.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import fit_tracker
from .inputs import imagenet_values
from .make_models import MAKERS, Sizes
from .scripts import Script
from .sizes import coarsen


def make(folder: Path, family: str, sizes: Sizes, seed: int, clip: Script, report: Callable[[str], None]) -> torch.nn.Module:
    tracker = MAKERS[family](sizes, seed).requires_grad_(False)
    tracker.set_attn_implementation("eager")
    coarsen(tracker)
    report(f"{family}: {fit_tracker.fit(tracker, feature_extractor(tracker), [clip], seed)}")
    tracker.save_pretrained(folder)
    return tracker


def feature_extractor(tracker: torch.nn.Module) -> fit_tracker.FeatureExtractor:
    def pyramid(rgb: np.ndarray) -> Any:
        return tracker.vision_encoder(imagenet_values(rgb), return_dict=True)

    def levels(rgb: np.ndarray) -> tuple[list[torch.Tensor], torch.Tensor]:
        features, decoder = pyramid(rgb), tracker.mask_decoder
        fine, middle, coarse = features.fpn_hidden_states
        code = features.fpn_position_encoding[-1][:1].flatten(2).permute(2, 0, 1)
        return [decoder.conv_s0(fine), decoder.conv_s1(middle), coarse], code

    return fit_tracker.FeatureExtractor(finest=lambda rgb: pyramid(rgb).fpn_hidden_states[0], levels=levels)
