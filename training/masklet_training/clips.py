"""The clip generator: short synthetic videos with exact masks, identities and phrases.

``named`` clips show drawn shapes and pictures that phrases describe. ``track`` clips show arbitrary objects that move
over natural backgrounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from . import motion
from .effects import Effects
from .library import SpriteLibrary
from .named import PICTURES, named_scene
from .render import draw_actor
from .sampling import pick
from .scene import Scene
from .tracks import track_scene

Array = NDArray[np.uint8]

cv2.setNumThreads(1)


@dataclass
class ClipObject:
    """Labels of one object.

    ``phrases``: every vocabulary phrase that describes it correctly; empty for an object without a name. ``maybe``:
    phrases that are debatable; use them neither as correct nor as wrong answers.
    """

    phrases: list[str]
    maybe: list[str] = field(default_factory=list)


@dataclass
class Clip:
    """A generated video.

    ``frames``: uint8 [T,H,W,3] RGB.  ``ids``: uint8 [T,H,W], index into ``objects`` plus one of the
    object visible at a pixel, 0 for background.
    """

    frames: Array
    ids: Array
    objects: list[ClipObject]


ASPECTS = (16 / 9, 4 / 3, 1.0, 9 / 16)  # width over height
ASPECT_SHARES = (0.45, 0.2, 0.25, 0.1)


def crop_to_aspect(clip: Clip, aspect: float, size: int) -> Clip:
    """Cut the middle of the given aspect ratio out of a square clip and resize it to a square, as the server does with
    videos.
    """
    side = clip.ids.shape[1]
    h, w = round(side / max(aspect, 1.0)), round(side * min(aspect, 1.0))
    rows, columns = slice((side - h) // 2, (side + h) // 2), slice((side - w) // 2, (side + w) // 2)

    def resize(image: Array, how: int) -> Array:
        return cv2.resize(np.ascontiguousarray(image[rows, columns]), (size, size), interpolation=how)

    frames = np.stack([resize(frame, cv2.INTER_AREA) for frame in clip.frames])
    return Clip(frames, np.stack([resize(ids, cv2.INTER_NEAREST) for ids in clip.ids]), clip.objects)


class ClipGenerator:
    """Generates clips; equal arguments give equal sequences of clips."""

    def __init__(
        self,
        sprites_path: Path | str | None,
        size: int = 192,
        seed: int = 0,
        split: str = "train",
        shapes: bool = False,
        pictures: float = PICTURES,
    ) -> None:
        """``shapes``: frames have the aspect ratios of videos, mostly wide ones, before they are resized to squares as
        at run time; otherwise they are generated square. ``pictures``: share of pictures among named objects.
        """
        if split not in ("train", "val"):
            raise ValueError(f"split must be 'train' or 'val', not {split!r}")
        self.size = size
        self.shapes = shapes
        self.pictures = pictures
        self.library = SpriteLibrary(sprites_path, split)
        self.rng = np.random.default_rng([seed, split == "val"])

    def clip(self, frames: int, kind: str) -> Clip:
        """Generate one clip of ``frames`` frames; ``kind`` is ``named``, ``track``, or ``alike`` for objects that look like each other."""
        makers = {"named": partial(named_scene, pictures=self.pictures), "track": track_scene, "alike": partial(track_scene, alike=True)}
        if kind not in makers:
            raise ValueError(f"kind must be one of {', '.join(makers)}, not {kind!r}")
        make = makers[kind]
        times = motion.timeline(self.rng, frames)
        if not self.shapes:
            return self._render(make(self.rng, self.library, self.size, times), times, self.size)
        render_size = round(self.size * 1.25)
        clip = self._render(make(self.rng, self.library, render_size, times), times, render_size)
        return crop_to_aspect(clip, pick(self.rng, ASPECTS, ASPECT_SHARES), self.size)

    def _render(self, scene: Scene, times: NDArray[np.float64], size: int) -> Clip:
        images = np.empty((len(times), size, size, 3), np.uint8)
        ids = np.zeros((len(times), size, size), np.uint8)
        effects = Effects.sample(self.rng, times, scene.roughness)
        backdrop: Array | None = None
        for index, time in enumerate(times):
            if backdrop is None or not np.array_equal(scene.camera[index], scene.camera[index - 1]):
                matrix = scene.camera[index] @ scene.backdrop_place
                backdrop = cv2.warpAffine(
                    scene.backdrop, matrix[:2], (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
                )
            frame = backdrop.copy()
            for actor in scene.actors:
                draw_actor(frame, ids[index], actor, index, float(time))
            images[index] = effects.apply(self.rng, cv2.cvtColor(frame, cv2.COLOR_RGBA2RGB), index)
        objects = [ClipObject(phrases, maybe) for phrases, maybe in scene.names]
        return Clip(images, ids, objects)
