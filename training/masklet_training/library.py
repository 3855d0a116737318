"""Access to the sprite library file; empty if the file does not exist."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .pictures import PICTURES, picture_maybe
from .restyle import restyled
from .sampling import chance, pick
from .sprites import CUTOUT, NAMED, STAMP, STYLES, UNNAMED

Array = NDArray[np.uint8]
Photo = tuple[Array, Array]  # the photograph, and the same at half resolution


class SpriteLibrary:
    """Sprites and photographs of one split, grouped for sampling."""

    def __init__(self, path: Path | str | None, split: str, restyled: float = 0.0) -> None:
        """:param restyled: share of the pictures that are drawn in another style"""
        self.restyled_share = restyled
        self.sprites: Array = np.zeros((0, 128, 128, 4), np.uint8)
        self.by_concept: dict[int, list[int]] = {}
        self.unnamed: list[int] = []
        self.cutouts: list[int] = []
        self.stamps: list[int] = []  # named and unnamed ones
        self.photos: list[Photo] = []
        self._photo_edges: NDArray[np.float64] = np.zeros(0)  # cumulative sampling weights
        if path is not None and Path(path).exists():
            self._load(Path(path), split == "val")

    def _load(self, path: Path, held_out: bool) -> None:
        with np.load(path) as data:
            self.sprites = data["sprites"]
            family, concept, held = data["family"], data["concept"], data["held_out"]
            style = data["style"]
            for index in np.nonzero(held == held_out)[0]:
                if family[index] == NAMED:
                    self.by_concept.setdefault(int(concept[index]), []).append(int(index))
                elif family[index] == UNNAMED:
                    self.unnamed.append(int(index))
                elif family[index] == CUTOUT:
                    self.cutouts.append(int(index))
                if family[index] == STAMP or style[index] == STYLES.index("stamp"):
                    self.stamps.append(int(index))
            pixels, offset, weights = data["bg_pixels"], 0, data["bg_weight"]
            for (height, width), bg_held in zip(data["bg_shapes"], data["bg_held_out"], strict=True):
                count = int(height) * int(width) * 3
                if bool(bg_held) == held_out:
                    full = pixels[offset : offset + count].reshape(height, width, 3)
                    half = cv2.resize(full, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
                    self.photos.append((full, half))
                offset += count
            chosen = weights[data["bg_held_out"] == held_out].astype(np.float64)
            self._photo_edges = np.cumsum(chosen) / chosen.sum()

    @property
    def concepts(self) -> list[int]:
        """Rows of ``pictures.PICTURES`` that have artwork in this split."""
        return list(self.by_concept)

    def picture(self, rng: np.random.Generator, concept: int) -> tuple[Array, list[str], list[str]]:
        """Return a sprite (RGBA premultiplied [128,128,4]) of a concept, its phrases and debatable ones."""
        phrases = PICTURES[concept].phrases
        sprite = self.sprites[pick(rng, self.by_concept[concept])]
        # Without a draw where no picture is restyled: the same seeds give the same clips as before.
        if self.restyled_share and chance(rng, self.restyled_share):
            sprite = restyled(rng, sprite)
        return sprite, list(phrases), picture_maybe(phrases)

    def cutout(self, rng: np.random.Generator) -> Array | None:
        """Return a photo cut-out (RGBA premultiplied); None when there is none."""
        return self._from(rng, self.cutouts)

    def stamp(self, rng: np.random.Generator) -> Array | None:
        """Return a stamp, named or not (RGBA premultiplied); None when there is none."""
        return self._from(rng, self.stamps)

    def emoji(self, rng: np.random.Generator) -> Array | None:
        """Return an unnamed emoji (RGBA premultiplied); None when there is none."""
        return self._from(rng, self.unnamed)

    def photo(self, rng: np.random.Generator) -> Photo | None:
        """Return a random photograph; None when there is none."""
        if not self.photos:
            return None
        return self.photos[int(np.searchsorted(self._photo_edges, rng.random(), side="right"))]

    def _from(self, rng: np.random.Generator, pool: list[int]) -> Array | None:
        return self.sprites[pick(rng, pool)] if pool else None
