"""Had rounding moved masks and scores further than it did, would the same be shown? What two recordings of one clip differ by is
taken `TIMES` over, either way: most pixels hardly move, those that a saturated normalisation decides about move a lot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

FACTOR = 2.0


def extrapolate_concepts(output: Any, again: Any) -> Iterator[Any]:
    """Outputs of `Sam3VideoModel`, before they are postprocessed: of a frame, and of the same one on nudged pictures"""
    for factor in (FACTOR, -FACTOR):
        yield replace(
            again,
            obj_id_to_mask=_extrapolated(output.obj_id_to_mask, again.obj_id_to_mask, factor),
            obj_id_to_score=_extrapolated(output.obj_id_to_score, again.obj_id_to_score, factor),
            obj_id_to_tracker_score=_extrapolated(output.obj_id_to_tracker_score, again.obj_id_to_tracker_score, factor),
        )


def extrapolate_clicks(masks: torch.Tensor, again: torch.Tensor) -> Iterator[torch.Tensor]:
    """Logits of click trackers"""
    for factor in (FACTOR, -FACTOR):
        yield masks + factor * (again - masks)


def _extrapolated(values: dict[int, Any], again: dict[int, Any], factor: float) -> dict[int, Any]:
    return {key: values[key] + factor * (value - values[key]) if key in values else value for key, value in again.items()}
