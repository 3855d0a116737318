"""The measures of `evaluate_photos`, and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from masklet_training.evaluate_photos import best_overlap, box_overlap, load_photos


def write(folder: Path, entries: object) -> Path:
    cv2.imwrite(str(folder / "a.jpg"), np.zeros((20, 30, 3), np.uint8))
    path = folder / "photos.json"
    path.write_text(json.dumps(entries))
    return path


def test_overlaps_of_masks_and_boxes() -> None:
    masks = np.zeros((2, 20, 40), bool)
    masks[0, :10, :20] = True
    truth = np.zeros((20, 40), bool)
    truth[:10, 10:20] = True
    assert best_overlap(masks, truth) == pytest.approx(0.5)
    assert best_overlap(masks, [(0.0, 0.0, 0.5, 0.5)]) == pytest.approx(1.0)
    assert best_overlap(masks, [(0.6, 0.6, 1.0, 1.0), (0.0, 0.0, 0.5, 1.0)]) == pytest.approx(0.5)
    assert best_overlap(masks[1:], truth) == 0.0 and best_overlap(masks[:0], truth) == 0.0
    assert box_overlap((0, 0, 1, 1), (1, 1, 2, 2)) == 0.0


def test_photographs_have_masks_or_boxes(tmp_path: Path) -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[5:9, 5:9] = 255
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    entries = [{"image": "a.jpg", "present": {"dog": "m.png", "cat": [[0, 0, 0.5, 1]]}, "absent": ["zebra"]}]
    (photo,) = load_photos(write(tmp_path, entries))
    assert isinstance(photo.present["dog"], np.ndarray) and photo.present["dog"].sum() == 16
    assert photo.present["cat"] == [(0.0, 0.0, 0.5, 1.0)] and photo.absent == ["zebra"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "expected a list of photographs"),
        ([{"image": "b.jpg"}], "entry 0: image b.jpg does not exist"),
        ([{"image": "a.jpg", "nouns": []}], "expected image, present and absent, got image, nouns"),
        ([{"image": "a.jpg", "present": {"dog": [[0.5, 0, 0.2, 1]]}}], "'dog' needs a mask or boxes"),
        ([{"image": "a.jpg", "present": {"dog": "none.png"}}], "none.png is not a mask of 'dog'"),
    ],
)
def test_entries_that_cannot_be_used_are_named(tmp_path: Path, entries: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_photos(write(tmp_path, entries))
