"""Real sequences with ground truth, and the prompts of their first frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np


@dataclass(frozen=True)
class Sequence:
    """A folder with frames/NNNNN.jpg and masks/NNNNN.png (0 and 255), as in DAVIS 2016; one object."""

    name: str
    frames: Path
    masks: list[np.ndarray]
    """bool [H,W] of each frame"""


def load_sequences(folder: Path, only: list[str] | None = None) -> list[Sequence]:
    """The sequences of a folder, by name. Raises ValueError naming the sequence whose masks do not fit its frames."""
    names = only or sorted(path.name for path in folder.iterdir() if (path / "frames").is_dir())
    if not names:
        raise ValueError(f"{folder} contains no folder with a folder 'frames'")
    return [load_sequence(folder / name) for name in names]


def load_sequence(folder: Path) -> Sequence:
    frames = sorted((folder / "frames").iterdir())
    paths = [folder / "masks" / f"{path.stem}.png" for path in frames]
    missing = [path.name for path in paths if not path.exists()]
    if missing or not frames:
        raise ValueError(f"{folder}: expected a mask for every frame, {missing[0] if missing else 'there are no frames'} is missing")
    masks = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127 for path in paths]
    return Sequence(folder.name, folder / "frames", masks)


def box_around(mask: np.ndarray) -> tuple[float, float, float, float]:
    """The tight box of a mask that is not empty: corners x0, y0, x1, y1 as shares of the frame"""
    h, w = mask.shape
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return xs[0] / w, ys[0] / h, (xs[-1] + 1) / w, (ys[-1] + 1) / h


def middle_point(mask: np.ndarray) -> tuple[float, float]:
    """The point of a mask that is farthest from its outline, as a user clicks: x, y as shares of the frame"""
    padded = np.pad(mask.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    h, w = mask.shape
    return (float(x) + 0.5) / w, (float(y) + 0.5) / h


def prompt_marks(mask: np.ndarray, prompt: str) -> tuple[list[tuple[float, float]], list[int]]:
    """Points and their labels, as in the contract, for the prompt "box" or "click" on a mask that is not empty"""
    if prompt == "box":
        x0, y0, x1, y1 = box_around(mask)
        return [(x0, y0), (x1, y1)], [2, 3]
    return [middle_point(mask)], [1]


def correction(mask: np.ndarray, truth: np.ndarray) -> tuple[tuple[float, float], int]:
    """The click that corrects a mask: the middle of its largest error, and 1 where the object is missing"""
    missing, extra = truth & ~mask, mask & ~truth
    point, label = None, 1
    largest = 0
    for wrong, value in ((missing, 1), (extra, 0)):
        count, pieces, stats, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8))
        if count > 1:
            piece = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
            area = int(stats[piece, cv2.CC_STAT_AREA])
            if area > largest:
                point, label, largest = middle_point(pieces == piece), value, area
    if point is None:
        raise ValueError("the mask has no error to correct")
    return point, label
