"""The measures of DAVIS, on masks whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from masklet_training.davis_metrics import area_under_curve, contour_accuracy, region_similarity


def square(top: int, left: int, side: int = 40, size: int = 200) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_equal_and_empty_masks_are_perfect() -> None:
    mask, empty = square(50, 50), np.zeros((200, 200), bool)
    assert region_similarity(mask, mask) == contour_accuracy(mask, mask) == 1.0
    assert region_similarity(empty, empty) == contour_accuracy(empty, empty) == 1.0
    assert region_similarity(empty, mask) == contour_accuracy(empty, mask) == 0.0


def test_region_similarity_is_intersection_over_union() -> None:
    assert region_similarity(square(50, 50), square(50, 60)) == pytest.approx(30 / 50)


def test_contours_within_the_tolerance_agree() -> None:
    # The diagonal is 283 pixels, so contours may be 3 pixels apart.
    assert contour_accuracy(square(50, 50), square(53, 50)) == 1.0
    apart = contour_accuracy(square(50, 50), square(58, 50))
    assert 0.4 < apart < 0.7  # only the sides along the shift agree


def test_area_under_curve_ranks_scores() -> None:
    correct = np.array([True, True, False, False])
    assert area_under_curve(np.array([0.9, 0.8, 0.2, 0.1]), correct) == 1.0
    assert area_under_curve(np.ones(4), correct) == 0.5
    assert area_under_curve(np.array([0.9, 0.1, 0.5, 0.0]), correct) == 0.75
    assert area_under_curve(np.ones(4), np.ones(4, bool)) is None
