"""Clips for phrases: several named shapes and pictures, with repeats and near misses."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from . import motion, shapes
from .library import SpriteLibrary
from .motion import Elastic, Pace
from .render import Actor
from .sampling import chance, log_uniform, pick
from .scene import (
    Names,
    Scene,
    backdrop,
    mean_colour,
    opaque,
    scale_for,
    scenery,
    sprite_part,
    tinted,
)

Array = NDArray[np.uint8]
Rng = np.random.Generator


@dataclass
class NamedSprite:
    """A sprite with a name: the picture, its phrases, and its largest rotation (None: unlimited)."""

    picture: Array
    names: Names
    angle: float
    swing: float | None


def shape_sprite(rng: Rng, spec: tuple[str, str, str | None], style: str) -> NamedSprite:
    shape, colour, pattern = spec
    picture, phrases, maybe = shapes.named_shape(rng, shape, colour, pattern, style)
    limit = shapes.MAX_TILT.get(shape)
    swing = None if limit is None or limit >= 180 else 0.1
    if chance(rng, 0.4):
        swing = 0.0 if swing is None else swing
    return NamedSprite(picture, (phrases, maybe), float(np.deg2rad(shapes.tilt(rng, shape))), swing)


def picture_sprite(rng: Rng, library: SpriteLibrary, concept: int) -> NamedSprite:
    picture, phrases, maybe = library.picture(rng, concept)
    if chance(rng, 0.4):
        picture = cv2.flip(picture, 1)
    if chance(rng, 0.3):
        picture = tinted(rng, picture, 0.05)
    return NamedSprite(picture, (phrases, maybe), float(rng.normal(0, 0.25)), float(rng.uniform(0, 0.5)))


def _near_shape(rng: Rng, spec: tuple[str, str, str | None]) -> tuple[str, str, str | None]:
    """Return a near miss: shape, colour or pattern differs."""
    shape, colour, pattern = spec
    other = shapes.random_named(rng)
    roll = rng.random()
    if roll < 0.45:
        return shape, other[1], pattern
    if roll < 0.85:
        return other[0], colour, pattern if other[0] != "ball" else None
    return shape, colour, other[2] if shape != "ball" else None


def _choose_sprites(rng: Rng, library: SpriteLibrary, count: int, pictures: float) -> list[NamedSprite]:
    """Choose the sprites of a named clip: new ones, repeats of a phrase, and near misses."""
    shape_share = 1.0 if not library.concepts else pick(rng, (0.0, 0.5, 1.0), (pictures - 0.15, 0.3, 0.85 - pictures))
    style = pick(rng, ("flat", "lit", "textured"), (0.6, 0.2, 0.2))
    specs: list[tuple[str, str, str | None]] = []
    concepts: list[int] = []
    sprites: list[NamedSprite] = []
    for _ in range(count):
        if chance(rng, shape_share):
            spec = shapes.random_named(rng)
            if specs:
                roll = rng.random()
                base = pick(rng, specs)
                spec = base if roll < 0.25 else _near_shape(rng, base) if roll < 0.65 else spec
            specs.append(spec)
            sprites.append(shape_sprite(rng, spec, style))
        else:
            concept = pick(rng, library.concepts)
            if concepts and chance(rng, 0.35):
                concept = pick(rng, concepts)
            concepts.append(concept)
            sprites.append(picture_sprite(rng, library, concept))
    return sprites


def _thumbnail(scene: Scene, size: int) -> Array:
    """Return the background of a scene at 12 x 12 pixels, uint8 [12, 12, 4]."""
    shrink = np.diag([12 / size, 12 / size, 1.0])
    return cv2.warpAffine(scene.backdrop, (shrink @ scene.backdrop_place)[:2], (12, 12), flags=cv2.INTER_LINEAR)


def _stands_out(picture: Array, thumbnail: Array, spot: tuple[float, float], size: int) -> bool:
    """Return whether a picture's mean colour differs enough from the background at its first position."""
    x, y = (int(v * 12 / size) for v in spot)
    around = cv2.mean(thumbnail[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2])
    own = mean_colour(picture)
    return sum(abs(a - b) for a, b in zip(own.tolist(), around, strict=False)) > 75


PICTURES = 0.45


def named_scene(rng: Rng, library: SpriteLibrary, size: int, times: NDArray[np.float64], pictures: float = PICTURES) -> Scene:
    """Compose a clip of three to seven named shapes and pictures; ``pictures`` is the share of pictures, 0.15 to 0.85."""
    frames = len(times)
    pace = Pace.sample(rng, 0.008, 0.15)
    moving_camera = chance(rng, 0.3)
    camera = motion.still(frames)
    if moving_camera:
        camera = motion.camera_motion(rng, times, size, Pace.sample(rng, 0.005, 0.08))
    scene = backdrop(rng, library, size, camera, photo_share=0.38)
    scene.roughness = pick(rng, (0.0, 0.3, 0.8), (0.5, 0.25, 0.25))
    if chance(rng, 0.2):
        scene.actors += [scenery(rng, library, scene, size, True) for _ in range(int(rng.integers(1, 3)))]
    feather = float(rng.uniform(0.3, 0.7)) if chance(rng, 0.25) else 0.0
    shadow = float(rng.uniform(0.15, 0.5)) if chance(rng, 0.15) else 0.0
    blur = float(rng.uniform(0.2, 0.4)) if chance(rng, 0.15) else 0.0
    wobble = chance(rng, 0.12)
    count = int(rng.integers(3, 8))
    thumbnail = _thumbnail(scene, size)
    taken: list[tuple[float, float]] = []
    tries = pick(rng, (1, 3, 6))
    top = min(0.25, 0.55 / count)
    for sprite in _choose_sprites(rng, library, count, pictures):
        spot = motion.free_spot(rng, size, taken, tries)
        if not _stands_out(sprite.picture, thumbnail, spot, size):
            continue
        scale = scale_for(log_uniform(rng, 0.015, top), size, opaque(sprite.picture), 124.0)
        local = Pace.sample(rng, 0.008, 0.15) if chance(rng, 0.3) else pace
        if chance(rng, 0.1):
            local = Pace(0.0, 0.0, 0.0)
        path = motion.object_motion(
            rng, times, size, scale, sprite.angle, local, spot, chance(rng, 0.12), max_swing=sprite.swing, rigid=True
        )
        elastic = Elastic.sample(rng, pace) if wobble else None
        scene.names.append(sprite.names)
        actor = Actor([sprite_part(sprite.picture, elastic)], path, len(scene.names), blur, feather, shadow)
        if chance(rng, 0.08):
            actor.hidden = _blink(rng, frames)
        scene.actors.append(actor)
    return scene


def _blink(rng: Rng, frames: int) -> NDArray[np.bool_]:
    """Return in which frames an object is hidden ([T]): it appears late, leaves early, or disappears for a while."""
    hidden = np.zeros(frames, bool)
    start, stop = sorted(int(v) for v in rng.integers(0, frames + 1, 2))
    hidden[start:stop] = True
    if hidden.all():
        hidden[int(rng.integers(frames))] = False
    return hidden
