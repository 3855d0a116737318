"""Draws clips, and stores them with their frozen features for the training of the tracker.

    python -m masklet_training.frame_cache --sprites .cache/sprites.npz --init .cache/backbone.pt --out .cache/frames --clips 800

Features take longer to compute than a training step, and the pretrained network stays frozen, so they are computed once.
Runs in several processes, with different seeds, may fill one folder; a stopped run is continued by the same command.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from .checkpoint import load_tracker, save_whole
from .clips import Clip, ClipGenerator
from .model.lite_tracker import LiteTracker

NAMED_SHARE = 0.2  # of the clips; they contain objects that phrases name, whose masks must stay exact
OBJECTS = 4  # stored per clip, the largest first
SMALLEST = 0.0015  # share of the frame on at least one frame


def labels_of(clip: Clip, side: int) -> np.ndarray:
    """Share of each stride-4 cell that an object covers: uint8 0..255 [K,T,side,side]"""
    sizes = [(clip.ids == value).mean((1, 2)).max() for value in range(1, len(clip.objects) + 1)]
    order = [index for index in np.argsort(sizes)[::-1] if sizes[index] > SMALLEST][:OBJECTS]
    out = np.zeros((len(order), len(clip.ids), side, side), np.uint8)
    for row, index in enumerate(order):
        for t, ids in enumerate(clip.ids):
            inside = (ids == index + 1).astype(np.float32)
            out[row, t] = np.round(cv2.resize(inside, (side, side), interpolation=cv2.INTER_AREA) * 255)
    return out


def areas_of(clip: Clip) -> np.ndarray:
    """The share of the frame that each object covers [T,objects]"""
    count = len(clip.objects)
    return np.array([np.bincount(ids.ravel(), minlength=count + 1)[1 : count + 1] / ids.size for ids in clip.ids])


def zoom(clip: Clip, rng: np.random.Generator, size: int) -> Clip | None:
    """Cuts a single frame around a random object, so that the object covers about 4 to 70 % of the result. None when no
    object is visible.

    Objects of generated clips are small: their median is 6 % of the frame. Those of real videos are often larger.
    """
    visible = np.flatnonzero((areas_of(clip) > SMALLEST).all(0))
    if len(visible) == 0:
        return None
    share = float(np.exp(rng.uniform(np.log(0.04), np.log(0.7))))
    return follow(clip, rng, size, int(rng.choice(visible)), np.array([share]))


def approach(clip: Clip, rng: np.random.Generator, size: int) -> Clip | None:
    """Cuts each frame around the smallest object, so that it grows from its own size to 10 to 60 % of the frame, or shrinks
    from there. None when no object is visible on all frames.

    Objects of generated clips keep their size within a factor of two. Those of real videos come nearer.
    """
    areas = areas_of(clip)
    visible = np.flatnonzero((areas > SMALLEST).all(0))
    if len(visible) == 0:
        return None
    chosen = int(visible[areas[0, visible].argmin()])
    largest = float(np.exp(rng.uniform(np.log(0.1), np.log(0.6))))
    shares = np.geomspace(min(areas[0, chosen], largest), largest, len(clip.frames))
    return follow(clip, rng, size, chosen, shares if rng.random() < 0.7 else shares[::-1])


def follow(clip: Clip, rng: np.random.Generator, size: int, chosen: int, shares: np.ndarray) -> Clip:
    """Cuts a square around an object out of each frame, so that the object covers about `shares` [T] of it. The object
    keeps its place in the square, up to the borders of the frame.
    """
    side = clip.ids.shape[1]
    place, margin = rng.uniform(0, 1, 2), rng.uniform(0.8, 1.1)
    frames, kept = [], []
    for image, ids, share in zip(clip.frames, clip.ids, shares, strict=True):
        ys, xs = np.nonzero(ids == chosen + 1)
        extent = max(np.ptp(xs) + 1, np.ptp(ys) + 1) * margin
        cut = int(np.clip(max(extent, np.sqrt(len(ys) / share)), 48, side))
        corner = []
        for at, low, high in ((place[0], ys.min(), ys.max() + 1), (place[1], xs.min(), xs.max() + 1)):
            first, last = min(low, high - cut), max(low, high - cut)
            corner.append(int(np.clip(first + at * (last - first), 0, side - cut)))
        rows, columns = slice(corner[0], corner[0] + cut), slice(corner[1], corner[1] + cut)
        how = cv2.INTER_AREA if cut > size else cv2.INTER_CUBIC
        frames.append(cv2.resize(np.ascontiguousarray(image[rows, columns]), (size, size), interpolation=how))
        kept.append(cv2.resize(np.ascontiguousarray(ids[rows, columns]), (size, size), interpolation=cv2.INTER_NEAREST))
    return Clip(np.stack(frames), np.stack(kept), clip.objects)


@torch.no_grad()
def features_of(model: LiteTracker, frames: np.ndarray) -> dict[int, Tensor]:
    """frames uint8 [T,S,S,3] → standardised features of each stride float16 [T,·,·,·]"""
    images = torch.from_numpy(frames).permute(0, 3, 1, 2)
    each = [model.backbone(image[None].float()) for image in images]
    return {stride: torch.cat([features[stride] for features in each]).half() for stride in each[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True, help="output of measure_features, or a checkpoint")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=800)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--stills", action="store_true", help="store single frames, each cut around one of its objects")
    parser.add_argument("--approach", action="store_true", help="store clips in which one object grows or shrinks steadily")
    parser.add_argument("--alike", action="store_true", help="store clips of objects that look like each other")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, _ = load_tracker(options.init, options.size)
    options.out.mkdir(parents=True, exist_ok=True)
    for index in range(options.clips):
        path = options.out / f"{options.seed:03d}-{index:05d}.pt"
        if path.exists():
            continue
        rendered = options.size * (2 if options.stills or options.approach else 1)
        generator = ClipGenerator(options.sprites, rendered, options.seed * 100_000 + index, shapes=True)
        frames = 1 if options.stills else options.frames
        kind = "alike" if options.alike else "named" if generator.rng.random() < NAMED_SHARE else "track"
        clip: Clip | None = generator.clip(frames, kind)
        if options.stills:
            clip = zoom(clip, generator.rng, options.size)
        elif options.approach:
            clip = approach(clip, generator.rng, options.size)
        labels = labels_of(clip, options.size // 4) if clip else ()
        if not clip or len(labels) == 0:
            continue
        save_whole({"features": features_of(model, clip.frames), "labels": torch.from_numpy(labels)}, path)
        if index % 50 == 0:
            print(f"{index} clips", flush=True)


if __name__ == "__main__":
    main()
