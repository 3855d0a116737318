"""Mask overlaps that depend on single pixels."""

import torch

from parity.overlap_bounds import emptiness_is_marginal, iou_bounds, is_marginal, remaining_bounds


def row(*logits: float) -> torch.Tensor:
    return torch.tensor(logits)[None, None]


def test_masks_without_marginal_pixels_have_equal_bounds():
    least, largest = iou_bounds(row(5, 5, -5, -5), row(5, -5, -5, -5))
    assert float(least) == float(largest) == 0.5
    assert not is_marginal((least, largest), 0.5)


def test_a_marginal_pixel_may_be_inside_or_outside():
    bounds = iou_bounds(row(5, 1e-5, -5, -5), row(5, -5, -5, -5))
    assert [float(bound) for bound in bounds] == [0.5, 1.0]
    assert is_marginal(bounds, 0.8) and not is_marginal(bounds, 0.5) and not is_marginal(bounds, 0.3)


def test_nearly_equal_masks_may_keep_all_or_nothing():
    logits = torch.cat([row(5, 5, 5), row(5.00001, 5.00001, 5.00001)])[:, 0]
    least, largest = remaining_bounds(logits)
    assert least.tolist() == [0, 0] and largest.tolist() == [1, 1]


def test_of_equal_masks_the_first_keeps_its_pixels():
    least, largest = remaining_bounds(torch.ones(2, 1, 3))
    assert least.tolist() == largest.tolist() == [1, 0]


def test_a_mask_of_marginal_pixels_may_be_empty():
    assert emptiness_is_marginal(torch.stack([row(-5, 1e-5)[0], row(-5, 1)[0], row(-5, -1)[0]])).tolist() == [True, False, False]
