"""Checks whether larger rounding errors would change a recording. The difference between two recordings of one clip is
multiplied by `FACTOR`, in both directions. Most pixels hardly move, but those that a saturated normalisation
determines move far.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

FACTOR = 2.0


def extrapolate_concepts(output: Any, again: Any) -> Iterator[Any]:
    """Extrapolates raw outputs of `Sam3VideoModel`, before postprocessing.

    :param output: of a frame
    :param again: of the same frame on perturbed images
    """
    for factor in (FACTOR, -FACTOR):
        yield replace(
            again,
            obj_id_to_mask=_extrapolated(output.obj_id_to_mask, again.obj_id_to_mask, factor),
            obj_id_to_score=_extrapolated(output.obj_id_to_score, again.obj_id_to_score, factor),
            obj_id_to_tracker_score=_extrapolated(output.obj_id_to_tracker_score, again.obj_id_to_tracker_score, factor),
        )


def extrapolate_clicks(masks: torch.Tensor, again: torch.Tensor) -> Iterator[torch.Tensor]:
    """Extrapolates logits of click trackers."""
    for factor in (FACTOR, -FACTOR):
        yield masks + factor * (again - masks)


def _extrapolated(values: dict[int, Any], again: dict[int, Any], factor: float) -> dict[int, Any]:
    return {key: values[key] + factor * (value - values[key]) if key in values else value for key, value in again.items()}
