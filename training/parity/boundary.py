"""Distance of differing pixels from the mask boundary, where the logit is zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F

from .run_concepts import FrameResult


@dataclass
class FlippedPixels:
    """Pixels that only one of two masks contains."""

    count: int = 0
    logit: float = 0.0
    """Largest absolute logit of these pixels in the first recording"""
    max_shift: float = 0.0
    """Largest change of the logits of these pixels in transformers between original and perturbed images"""

    def __str__(self) -> str:
        return f"{self.count} px flipped, logits up to {self.logit:.1e}; perturbed images shift them by up to {self.max_shift:.1e}"


def flipped_pixels(one: FrameResult, other: FrameResult, perturbed: list[FrameResult]) -> FlippedPixels | None:
    """Compares the masks of the objects that both results contain.

    :param one: result with transformers' own output as `raw`
    :param perturbed: results of the same frame on perturbed images, also with `raw`
    :return: None if all masks are equal
    """
    logits, found = logits_of(one), FlippedPixels()
    for row, object_id in enumerate(one.ids):
        if object_id not in other.ids:
            continue
        flipped = one.masks[row] != other.masks[other.ids.index(object_id)]
        if not flipped.any():
            continue
        here = logits[object_id][flipped]
        found.count += len(here)
        found.logit = max(found.logit, float(np.abs(here).max()))
        for again in map(logits_of, perturbed):
            if object_id in again:
                found.max_shift = max(found.max_shift, float(np.abs(again[object_id][flipped] - here).max()))
    return found if found.count else None


def logits_of(result: FrameResult) -> dict[int, np.ndarray]:
    """Logits of the frame's objects, resized to the size of its masks as in transformers."""
    output, size = result.raw, result.masks.shape[1:]
    if hasattr(output, "obj_id_to_mask"):  # Sam3VideoModel: [1, h, w] each
        small = {object_id: mask[None].float() for object_id, mask in output.obj_id_to_mask.items()}
    else:  # click trackers: [objects, 1, h, w]
        small = {object_id: mask[None] for object_id, mask in zip(output.object_ids, output.pred_masks)}
    return {key: F.interpolate(mask, size, mode="bilinear", align_corners=False)[0, 0].numpy() for key, mask in small.items()}
