"""Clips for tracking: a few arbitrary objects that move over natural backgrounds."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from . import articulated, motion
from .library import Photo, SpriteLibrary
from .motion import Elastic, Pace
from .render import Actor, Part
from .sampling import chance, log_uniform, pick
from .scene import (
    Scene,
    backdrop,
    blob,
    mean_colour,
    opaque,
    scale_for,
    scenery,
    sprite_part,
    tinted,
)

Array = NDArray[np.uint8]
Rng = np.random.Generator


def _harmonised(picture: Array, photo: Photo, strength: float) -> Array:
    """Shift a premultiplied picture's mean colour towards a photograph's, so that they match."""
    alpha = picture[..., 3]
    shift = strength * (np.array(cv2.mean(photo[1])[:3]) - mean_colour(picture))
    solid = [cv2.convertScaleAbs(alpha, alpha=abs(float(c)) / 255) for c in shift]
    empty = np.zeros_like(alpha)
    plus = cv2.merge([s if c > 0 else empty for s, c in zip(solid, shift, strict=True)] + [empty])
    minus = cv2.merge([s if c <= 0 else empty for s, c in zip(solid, shift, strict=True)] + [empty])
    return cv2.min(cv2.subtract(cv2.add(picture, plus), minus), cv2.merge([alpha] * 4))


def _track_parts(
    rng: Rng, library: SpriteLibrary, photo: Photo | None, times: NDArray[np.float64], pace: Pace
) -> tuple[list[Part], float, float]:
    """Return the parts of an arbitrary object, its opaque area and its longest side in actor units."""
    roll = rng.random()
    camouflage = photo if chance(rng, 0.4) else None
    if roll < 0.34:
        parts = articulated.build_parts(rng, library, times, pace, camouflage)
        area, longest = articulated.extent(parts)
        return parts, area, longest
    elastic = Elastic.sample(rng, pace) if chance(rng, 0.55) else None
    picture: Array | None = None
    if roll < 0.50:
        picture = library.cutout(rng)
    elif roll < 0.68:
        picture = library.stamp(rng)
    elif roll < 0.76:
        picture = library.emoji(rng)
    elif roll < 0.81 and library.concepts:
        picture = library.picture(rng, pick(rng, library.concepts))[0]
    if picture is None:
        picture = blob(rng, library, camouflage)
    picture = tinted(rng, picture, 0.15)
    if photo is not None and chance(rng, 0.3):
        picture = _harmonised(picture, photo, float(rng.uniform(0.2, 0.8)))
    if chance(rng, 0.5):
        picture = cv2.flip(picture, 1)
    return [sprite_part(picture, elastic)], opaque(picture), 124.0


def track_scene(rng: Rng, library: SpriteLibrary, size: int, times: NDArray[np.float64], alike: bool = False) -> Scene:
    """Compose a clip of one to four arbitrary objects over a natural background.

    :param alike: two to four objects, most of which look like the first one
    """
    pace = Pace.sample(rng)
    moving_camera = chance(rng, 0.7)
    camera = motion.camera_motion(rng, times, size, Pace.sample(rng)) if moving_camera else motion.still(len(times))
    scene = backdrop(rng, library, size, camera, photo_share=0.85)
    scene.roughness = pick(rng, (0.0, 0.5, 1.0), (0.2, 0.4, 0.4))
    if chance(rng, 0.35):
        scene.actors += [scenery(rng, library, scene, size, False) for _ in range(int(rng.integers(1, 4)))]
    blur = float(rng.uniform(0.2, 0.6)) if chance(rng, 0.35) else 0.0
    feather = float(rng.uniform(0.4, 1.0)) if chance(rng, 0.7) else 0.0
    shadow = float(rng.uniform(0.15, 0.5)) if chance(rng, 0.25) else 0.0
    count = pick(rng, (2, 3, 4), (0.4, 0.35, 0.25)) if alike else pick(rng, (1, 2, 3, 4), (0.25, 0.35, 0.25, 0.15))
    taken: list[tuple[float, float]] = []
    twin: tuple[list[Part], float, float] | None = None
    for index in range(count):
        local = Pace.sample(rng) if chance(rng, 0.3) else pace
        copied = twin is not None and chance(rng, 0.8 if alike else 0.2)
        parts, area, longest = twin if copied and twin else _track_parts(rng, library, scene.photo, times, local)
        twin = (parts, area, longest)
        share = log_uniform(rng, 0.03, 0.45 if count == 1 else 0.3)
        scale = scale_for(share, size, area, longest)
        angle = float(rng.normal(0, 0.35))
        free = len(parts) == 1 and chance(rng, 0.4)
        path = motion.object_motion(
            rng,
            times,
            size,
            scale,
            angle,
            local,
            motion.free_spot(rng, size, taken, 2),
            enter=index > 0 and chance(rng, 0.12),
            max_swing=None if free else float(rng.uniform(0.05, 0.5)),
        )
        if chance(rng, 0.5):
            path = scene.camera @ path
        scene.actors.append(Actor(parts, path, index + 1, blur, feather, shadow))
        scene.names.append(([], []))
    if chance(rng, 0.15):
        scene.actors.append(scenery(rng, library, scene, size, False))
    return scene
