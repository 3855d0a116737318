"""Prompts and corrections that are derived from ground truth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from masklet_training.sequences import box_around, correction, load_sequences, middle_point


def disk(x: int, y: int, radius: int) -> np.ndarray:
    canvas = np.zeros((100, 200), np.uint8)
    cv2.circle(canvas, (x, y), radius, 1, -1)
    return canvas > 0


def test_box_and_middle_are_shares_of_the_frame() -> None:
    assert box_around(disk(100, 50, 10)) == pytest.approx((90 / 200, 40 / 100, 111 / 200, 61 / 100))
    assert middle_point(disk(100, 50, 10)) == pytest.approx((100.5 / 200, 50.5 / 100), abs=0.011)


def test_middle_of_an_object_at_the_edge_lies_inside() -> None:
    x, y = middle_point(disk(0, 50, 30))
    assert disk(0, 50, 30)[int(y * 100), int(x * 200)]


def test_correction_clicks_the_largest_error() -> None:
    truth = disk(60, 50, 20)
    point, label = correction(disk(150, 50, 10), truth)
    assert label == 1 and point == pytest.approx((60.5 / 200, 50.5 / 100), abs=0.02)
    point, label = correction(truth | disk(150, 50, 10), truth)
    assert label == 0 and point == pytest.approx((150.5 / 200, 50.5 / 100), abs=0.02)
    with pytest.raises(ValueError, match="no error"):
        correction(truth, truth)


def test_sequences_need_a_mask_for_every_frame(tmp_path: Path) -> None:
    for name, masks in (("one", 2), ("two", 1)):
        for folder, count in (("frames", 2), ("masks", masks)):
            (tmp_path / name / folder).mkdir(parents=True)
            for index in range(count):
                suffix = "jpg" if folder == "frames" else "png"
                cv2.imwrite(str(tmp_path / name / folder / f"{index:05d}.{suffix}"), disk(60, 50, 20).astype(np.uint8) * 255)
    (sequence,) = load_sequences(tmp_path, ["one"])
    assert sequence.name == "one" and len(sequence.masks) == 2 and sequence.masks[0].sum() == disk(60, 50, 20).sum()
    with pytest.raises(ValueError, match="00001.png is missing"):
        load_sequences(tmp_path)
