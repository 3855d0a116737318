"""Pictures in other styles"""

from __future__ import annotations

import cv2
import numpy as np

from masklet_training.restyle import restyled


def test_a_picture_in_another_style_is_still_a_premultiplied_picture_of_about_the_same_size() -> None:
    disc = cv2.circle(np.zeros((128, 128, 4), np.uint8), (64, 64), 40, (200, 60, 30, 255), -1)
    rng = np.random.default_rng(2)
    made = [restyled(rng, disc) for _ in range(60)]
    for picture in made:
        assert picture.shape == disc.shape and picture.dtype == np.uint8
        assert (picture[..., :3] <= picture[..., 3:]).all()
        assert 0.5 < (picture[..., 3] > 127).sum() / (disc[..., 3] > 127).sum() < 1.5
    assert len({picture.tobytes() for picture in made}) > 50  # a plain disc does not show every change


def test_equal_seeds_give_equal_pictures() -> None:
    disc = cv2.circle(np.zeros((128, 128, 4), np.uint8), (64, 64), 40, (200, 60, 30, 255), -1)
    one, again = (restyled(np.random.default_rng(5), disc) for _ in range(2))
    assert np.array_equal(one, again)
