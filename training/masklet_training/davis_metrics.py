"""The measures of DAVIS: region similarity J and contour accuracy F.

Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", 2016, and its
evaluation code (`davis2017-evaluation`, `db_eval_boundary`).
"""

from __future__ import annotations

import cv2
import numpy as np

BOUND_SHARE = 0.008  # of the picture's diagonal: how far apart two contours may be
NEAR = 0.5  # IoU from which a mask counts as correct


def region_similarity(mask: np.ndarray, truth: np.ndarray) -> float:
    """J: intersection over union of bool masks [H,W]; 1 for two empty masks."""
    union = np.logical_or(mask, truth).sum()
    return float(np.logical_and(mask, truth).sum() / union) if union else 1.0


def contour_accuracy(mask: np.ndarray, truth: np.ndarray) -> float:
    """F: harmonic mean of precision and recall of the contours of bool masks [H,W]."""
    drawn, wanted = contour(mask), contour(truth)
    reach = int(np.ceil(BOUND_SHARE * np.hypot(*mask.shape)))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    drawn_count, wanted_count = int(drawn.sum()), int(wanted.sum())
    if drawn_count == 0 and wanted_count == 0:
        return 1.0
    if drawn_count == 0 or wanted_count == 0:
        return 0.0
    precision = float((drawn & (cv2.dilate(wanted.astype(np.uint8), disk) > 0)).sum()) / drawn_count
    recall = float((wanted & (cv2.dilate(drawn.astype(np.uint8), disk) > 0)).sum()) / wanted_count
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def contour(mask: np.ndarray) -> np.ndarray:
    """Pixels whose right, lower or lower right neighbour differs; bool [H,W] → bool [H,W]"""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    here = padded[:-1, :-1]
    return (here != padded[:-1, 1:]) | (here != padded[1:, :-1]) | (here != padded[1:, 1:])


def area_under_curve(scores: np.ndarray, correct: np.ndarray) -> float | None:
    """Probability that a correct mask has a higher score than a wrong one; equal scores count as half. None if all masks
    are correct or all are wrong.
    """
    right, wrong = scores[correct], scores[~correct]
    if len(right) == 0 or len(wrong) == 0:
        return None
    above = (right[:, None] > wrong[None]).mean()
    return float(above + 0.5 * (right[:, None] == wrong[None]).mean())
