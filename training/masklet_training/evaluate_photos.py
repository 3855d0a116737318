"""Measures phrases on photographs and frames, through the server: what is there and found, what is not there and found.

    python -m masklet_training.evaluate_photos --photos photos.json --pack PACK

photos.json is a list. Its images are named relative to the file:

    [{"image": "dog.jpg", "present": {"dog": "dog-mask.png", "ball": [[0.1, 0.2, 0.3, 0.4]]}, "absent": ["cat", "red ball"]}]

A noun that is present has the mask of its object (0 and 255), or the boxes of all its objects: corners x0, y0, x1, y1 as
shares of the image. It counts as found if one object that the pack finds has an IoU of 0.5 or more with it. A noun that is
absent counts as found if the pack finds anything.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .davis_metrics import region_similarity
from .evaluate import CLIENT, START_S
from .sequences import box_around

ENOUGH = 0.5  # IoU of a found object

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Photo:
    image: Path
    present: dict[str, np.ndarray | list[Box]]
    """A mask bool [H,W], or boxes"""
    absent: list[str]


def load_photos(path: Path) -> list[Photo]:
    """Raises ValueError naming the entry that cannot be used."""
    entries = json.loads(path.read_text())
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path}: expected a list of photographs")
    return [load_photo(entry, path.parent, f"{path}, entry {index}") for index, entry in enumerate(entries)]


def load_photo(entry: dict[str, Any], folder: Path, where: str) -> Photo:
    unknown = set(entry) - {"image", "present", "absent"}
    if unknown or "image" not in entry:
        raise ValueError(f"{where}: expected image, present and absent, got {', '.join(sorted(entry))}")
    image = folder / entry["image"]
    if not image.is_file():
        raise ValueError(f"{where}: image {entry['image']} does not exist")
    present: dict[str, np.ndarray | list[Box]] = {}
    for noun, place in entry.get("present", {}).items():
        if isinstance(place, str):
            mask = cv2.imread(str(folder / place), cv2.IMREAD_GRAYSCALE)
            if mask is None or not (mask > 127).any():
                raise ValueError(f"{where}: {place} is not a mask of {noun!r} with at least one pixel")
            present[noun] = mask > 127
        else:
            boxes = [tuple(map(float, box)) for box in place]
            if not boxes or any(len(box) != 4 or not (box[0] < box[2] and box[1] < box[3]) for box in boxes):
                raise ValueError(f"{where}: {noun!r} needs a mask or boxes x0, y0, x1, y1")
            present[noun] = boxes
    return Photo(image, present, list(entry.get("absent", [])))


def box_overlap(a: Box, b: Box) -> float:
    """IoU of two boxes x0, y0, x1, y1"""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def best_overlap(masks: np.ndarray, place: np.ndarray | list[Box]) -> float:
    """The highest IoU of masks bool [N,H,W] with a true mask, or of their boxes with true boxes; 0 without masks"""
    found = [mask for mask in masks if mask.any()]
    if isinstance(place, np.ndarray):
        return max((region_similarity(mask, place) for mask in found), default=0.0)
    return max((box_overlap(box_around(mask), box) for mask in found for box in place), default=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--pack", type=Path, help="folder of a pack; default: the embedded one")
    options = parser.parse_args()
    sys.path.insert(0, str(CLIENT))
    import masklet

    photos = load_photos(options.photos)
    hits: list[bool] = []
    alarms: list[bool] = []
    unknown: set[str] = set()
    with masklet.serve(pack=options.pack, timeout_s=START_S) as server, server.connect() as client:
        for photo in photos:
            with client.start_session(photo.image) as session:
                notes = []
                for noun, place in photo.present.items():
                    answer = session.add_prompt(text=noun, replace=True)
                    overlap = best_overlap(answer.frame.masks, place)
                    hits.append(overlap >= ENOUGH)
                    unknown.update(answer.unknown_words)
                    notes.append(f"{noun} {overlap:.2f}")
                for noun in photo.absent:
                    answer = session.add_prompt(text=noun, replace=True)
                    alarms.append(len(answer.frame.ids) > 0)
                    unknown.update(answer.unknown_words)
                    if alarms[-1]:
                        notes.append(f"{noun} is absent but found")
            print(f"{photo.image.name}: {', '.join(notes) or 'nothing found'}", flush=True)
    print(f"present and found: {sum(hits)} of {len(hits)}; absent and found: {sum(alarms)} of {len(alarms)}")
    print(f"words that the pack does not know: {', '.join(sorted(unknown)) or 'none'}")


if __name__ == "__main__":
    main()
