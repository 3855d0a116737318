"""The scene that write.ts exports, with its masks, for the checks."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

FOLDER = Path(sys.argv[1])
TRUTH = json.loads((FOLDER / "truth.json").read_text())
WIDTH, HEIGHT = TRUTH["width"], TRUTH["height"]
CATEGORY = {one["objectId"]: one["category"] for one in TRUTH["objects"]}


def truth(kind="masks"):
    return {
        (frame["frame"], int(object_id)): coco_mask.decode(rle).astype(bool)
        for frame in TRUTH["frames"]
        for object_id, rle in frame[kind].items()
    }


def box_of(mask):
    rows, columns = np.any(mask, axis=1).nonzero()[0], np.any(mask, axis=0).nonzero()[0]
    x, y = columns[0], rows[0]
    return [x, y, columns[-1] + 1 - x, rows[-1] + 1 - y]


def same_masks(seen, least=1.0, kind="masks"):
    expected = truth(kind)
    assert seen.keys() == expected.keys(), sorted(set(seen) ^ set(expected))
    worst = 1.0
    for key, mask in expected.items():
        other = np.asarray(seen[key]).astype(bool)
        assert other.shape == mask.shape, (key, other.shape)
        worst = min(worst, (mask & other).sum() / (mask | other).sum())
    assert worst >= least, f"IoU {worst:.4f}, expected at least {least}"
    return f"{len(expected)} masks, IoU at least {worst:.4f}"


def same_boxes(seen, digits=3):
    expected = {key: box_of(mask) for key, mask in truth().items()}
    assert seen.keys() == expected.keys(), sorted(set(seen) ^ set(expected))
    for key, box in expected.items():
        assert np.allclose(seen[key], box, atol=10**-digits), (key, seen[key], box)
    return f"{len(expected)} boxes"


def one_file(name):
    (path,) = [path for path in (FOLDER / name).rglob("*") if path.is_file()]
    return path


def fill(points):
    """The pixels inside a polygon ``[n, 2]`` of corners of pixels."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    ring = np.round((np.asarray(points, np.float64) - 0.5) * 256).astype(np.int32)
    cv2.fillPoly(mask, [ring], 1, shift=8)
    return mask


def draw_pictures(folder, name):
    """Writes a black picture for each frame: some tools read no annotation without its picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in TRUTH["frames"]:
        cv2.imwrite(str(folder / name.format(frame["frame"])), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
