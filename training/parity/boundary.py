"""Why two masks differ: how near to the border, where the logit is zero, the pixels are that only one of them has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F

from .run_concepts import FrameResult


@dataclass
class FlippedPixels:
    """Pixels that one mask has and the other has not."""

    count: int = 0
    logit: float = 0.0
    """How far from zero the first recording has them, at most"""
    max_shift: float = 0.0
    """How far transformers' own logits are moved there by pictures that are off by rounding, at most"""

    def __str__(self) -> str:
        return f"{self.count} px turned, up to {self.logit:.1e} from the border; nudged pictures move them by up to {self.max_shift:.1e}"


def flipped_pixels(one: FrameResult, other: FrameResult, perturbed: list[FrameResult]) -> FlippedPixels | None:
    """None where the masks of the objects that both show are equal.

    one, nudged: with transformers' own output as `raw`"""
    logits, found = logits_of(one), FlippedPixels()
    for row, object_id in enumerate(one.ids):
        if object_id not in other.ids:
            continue
        turned = one.masks[row] != other.masks[other.ids.index(object_id)]
        if not turned.any():
            continue
        here = logits[object_id][turned]
        found.count += len(here)
        found.logit = max(found.logit, float(np.abs(here).max()))
        for again in map(logits_of, perturbed):
            if object_id in again:
                found.max_shift = max(found.max_shift, float(np.abs(again[object_id][turned] - here).max()))
    return found if found.count else None


def logits_of(result: FrameResult) -> dict[int, np.ndarray]:
    """Logits of the frame's objects at the size of its masks, as transformers enlarges them."""
    output, size = result.raw, result.masks.shape[1:]
    if hasattr(output, "obj_id_to_mask"):  # Sam3VideoModel: [1, h, w] each
        small = {object_id: mask[None].float() for object_id, mask in output.obj_id_to_mask.items()}
    else:  # click trackers: [objects, 1, h, w]
        small = {object_id: mask[None] for object_id, mask in zip(output.object_ids, output.pred_masks)}
    return {key: F.interpolate(mask, size, mode="bilinear", align_corners=False)[0, 0].numpy() for key, mask in small.items()}
