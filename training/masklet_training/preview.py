"""Draw a contact sheet of generated clips: ``python -m masklet_training.preview --out sheet.png``."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .clips import Clip, ClipGenerator
from .sprites import DEFAULT_CACHE

Array = NDArray[np.uint8]
PALETTE = [(255, 60, 60), (60, 255, 60), (80, 120, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255), (255, 150, 0)]


def outlined(clip: Clip, zoom: int = 1) -> Array:
    """Return a clip's frames side by side with mask outlines, uint8 [H, T*W, 3]."""
    rows = []
    for frame, ids in zip(clip.frames, clip.ids, strict=True):
        image = cv2.resize(frame, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)
        for index in range(len(clip.objects)):
            mask = (ids == index + 1).astype(np.uint8)
            mask = cv2.resize(mask, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
            contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(image, contours, -1, PALETTE[index % len(PALETTE)], 1)
        rows.append(image)
    return np.concatenate(rows, axis=1)


def sheet(generator: ClipGenerator, kind: str, clips: int, frames: int, columns: int, plain: bool) -> Array:
    """Return a grid of clips, uint8 [H, W, 3]."""
    tiles = []
    for _ in range(clips):
        clip = generator.clip(frames, kind)
        tile = np.concatenate(list(clip.frames), axis=1) if plain else outlined(clip)
        tiles.append(cv2.copyMakeBorder(tile, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=(255, 255, 255)))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    lines = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    return np.concatenate(lines, axis=0)


def main() -> None:
    """Command line entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sprites", type=Path, default=DEFAULT_CACHE / "sprites.npz")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kind", choices=("named", "track"), default="track")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--columns", type=int, default=2)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=("train", "val"), default="train")
    parser.add_argument("--plain", action="store_true", help="without mask outlines")
    args = parser.parse_args()
    generator = ClipGenerator(args.sprites, args.size, args.seed, args.split)
    image = sheet(generator, args.kind, args.clips, args.frames, args.columns, args.plain)
    cv2.imwrite(str(args.out), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
