"""Agreement of two recordings of one clip, measured by the server's tolerances."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .run_concepts import FrameResult

SCORE_ERROR, BOX_ERROR_PIXELS, MASK_IOU = 1e-4, 1.0, 0.999


@dataclass
class FrameAgreement:
    frame: int
    ids: list[int]
    other_ids: list[int]
    score_error: float = 0.0
    box_error: float = 0.0
    ious: list[float] = field(default_factory=list)
    """IoU per object that both recordings contain"""

    @property
    def iou(self) -> float:
        return min(self.ious, default=1.0)

    def holds(self, iou: float = MASK_IOU) -> bool:
        same = self.ids == self.other_ids
        return same and self.score_error <= SCORE_ERROR and self.box_error <= BOX_ERROR_PIXELS and self.iou >= iou


def of_frames(one: FrameResult, other: FrameResult, scored: bool) -> FrameAgreement:
    """Compares two results of one frame.

    :param scored: whether scores are compared. For click trackers, transformers returns logits, which the server does
      not output.
    """
    found = FrameAgreement(one.frame, one.ids, other.ids)
    for row, object_id in enumerate(one.ids):
        if object_id not in other.ids:
            continue
        place = other.ids.index(object_id)
        found.ious.append(mask_iou(one.masks[row], other.masks[place]))
        if scored:
            found.score_error = max(found.score_error, abs(one.scores[row] - other.scores[place]))
        edges = [abs(a - b) for a, b in zip(one.boxes[row], other.boxes[place])]
        found.box_error = max(found.box_error, *edges) if edges else found.box_error
    return found


def mask_iou(one: np.ndarray, other: np.ndarray) -> float:
    either = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / either if either else 1.0
