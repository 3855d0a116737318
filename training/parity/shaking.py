"""Had rounding moved masks and scores further than it did, would the same be shown? What two recordings of one clip differ by is
taken `TIMES` over, either way: most pixels hardly move, those that a saturated normalisation decides about move a lot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

TIMES = 2.0


def of_concepts(output: Any, again: Any) -> Iterator[Any]:
    """Outputs of `Sam3VideoModel`, before they are postprocessed: of a frame, and of the same one on nudged pictures"""
    for times in (TIMES, -TIMES):
        yield replace(
            again,
            obj_id_to_mask=_moved(output.obj_id_to_mask, again.obj_id_to_mask, times),
            obj_id_to_score=_moved(output.obj_id_to_score, again.obj_id_to_score, times),
            obj_id_to_tracker_score=_moved(output.obj_id_to_tracker_score, again.obj_id_to_tracker_score, times),
        )


def of_clicks(masks: torch.Tensor, again: torch.Tensor) -> Iterator[torch.Tensor]:
    """Logits of click trackers"""
    for times in (TIMES, -TIMES):
        yield masks + times * (again - masks)


def _moved(values: dict[int, Any], again: dict[int, Any], times: float) -> dict[int, Any]:
    return {key: values[key] + times * (value - values[key]) if key in values else value for key, value in again.items()}
