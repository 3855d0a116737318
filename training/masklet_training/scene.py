"""Composition of clips: background, objects, and their positions, sizes and motion."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from . import motion, shapes, textures
from .library import Photo, SpriteLibrary
from .motion import Elastic, Matrices
from .render import Actor, Part
from .sampling import chance, log_uniform, pick

Array = NDArray[np.uint8]
Rng = np.random.Generator
Names = tuple[list[str], list[str]]


@dataclass
class Scene:
    """All inputs for rendering a clip. Actors are in drawing order; labels are indices into ``names`` plus 1."""

    backdrop: Array
    backdrop_place: NDArray[np.float64]
    camera: Matrices
    photo: Photo | None = None
    roughness: float = 0.0
    actors: list[Actor] = field(default_factory=list)
    names: list[Names] = field(default_factory=list)


# --------------------------------------------------------------------------------------------------
# Backgrounds
# --------------------------------------------------------------------------------------------------


def _photo_backdrop(rng: Rng, photo: Photo, size: int) -> tuple[Array, NDArray[np.float64]]:
    """Choose a crop of a photograph: the RGBA image to warp and its 3x3 placement in the frame."""
    full, half = photo
    span = min(full.shape[:2]) * rng.uniform(0.45, 1.0)
    left = rng.uniform(0, full.shape[1] - span)
    top = rng.uniform(0, full.shape[0] - span)
    scale = size / span
    source = full
    if scale < 0.7:
        source, scale, left, top = half, scale * 2, left / 2, top / 2
    place = np.array([[scale, 0, -left * scale], [0, scale, -top * scale], [0, 0, 1]])
    if chance(rng, 0.5):
        place = np.array([[-1, 0, size - 1], [0, 1, 0], [0, 0, 1.0]]) @ place
    return cv2.cvtColor(source, cv2.COLOR_RGB2RGBA), place  # four channels warp faster


def _drawn_backdrop(rng: Rng, size: int, kind: str) -> tuple[Array, NDArray[np.float64]]:
    """Make a plain, gradient, noise or pattern background: the image and its placement."""
    first, second = textures.any_colour(rng), textures.any_colour(rng)
    if chance(rng, 0.3):
        gray = int(rng.integers(0, 256))
        first = (gray, gray, gray)
    if kind == "plain":
        if chance(rng, 0.35):
            first = pick(rng, ((0, 0, 0), (255, 255, 255), (128, 128, 128), (240, 240, 240)))
        image = textures.plain(first, 64)
    elif kind == "gradient":
        image = textures.gradient(rng, first, second, 128)
    elif kind == "noise":
        image = textures.noise(rng, first, second, 192)
    elif kind == "grain":
        plus, minus = textures.grain_bank(160, int(rng.integers(4, 40)))
        image = cv2.subtract(cv2.add(textures.plain(first, 224), plus), minus)[:192, :192]
    else:
        soft = textures.mixed(first, second, 0.2)
        image = textures.pattern(rng, pick(rng, ("striped", "checkered")), first, soft, 192)
    scale = size / image.shape[0]
    return cv2.cvtColor(image, cv2.COLOR_RGB2RGBA), np.diag([scale, scale, 1.0])


def backdrop(rng: Rng, library: SpriteLibrary, size: int, camera: Matrices, photo_share: float) -> Scene:
    """Start a scene with a background: a photograph with probability ``photo_share``, else a drawn one."""
    photo = library.photo(rng) if chance(rng, photo_share) else None
    if photo is not None:
        image, place = _photo_backdrop(rng, photo, size)
        return Scene(image, place, camera, photo)
    if photo_share > 0.5:
        kind = pick(rng, ("noise", "gradient", "grain", "pattern"), (0.6, 0.15, 0.15, 0.1))
    else:
        kind = pick(rng, ("plain", "gradient", "noise", "grain", "pattern"), (0.45, 0.2, 0.12, 0.15, 0.08))
    image, place = _drawn_backdrop(rng, size, kind)
    return Scene(image, place, camera)


# --------------------------------------------------------------------------------------------------
# Objects
# --------------------------------------------------------------------------------------------------


def sprite_part(picture: Array, elastic: Elastic | None = None) -> Part:
    """Return a picture as a part centred on its actor, optionally swaying."""
    place = motion.translation(-picture.shape[1] / 2, -picture.shape[0] / 2)[None]
    return Part(picture, place, elastic)


def scale_for(area_share: float, size: int, opaque: float, longest: float) -> float:
    """Return the scale at which ``opaque`` picture pixels cover ``area_share`` of the frame."""
    scale = float(np.sqrt(area_share * size * size / max(opaque, 50.0)))
    return min(scale, 1.15 * size / longest)


def opaque(picture: Array) -> float:
    """Return how many pixels of an RGBA picture are opaque."""
    return float(cv2.countNonZero(cv2.inRange(picture[..., 3], 128, 255)))


def tinted(rng: Rng, picture: Array, strength: float) -> Array:
    """Change brightness and colour balance of a premultiplied picture a little."""
    gains = np.exp(rng.normal(0, strength / 2, 3) + rng.normal(0, strength)).astype(np.float32)
    steps = np.arange(256, dtype=np.float32)[:, None] * np.append(gains, np.float32(1))[None]
    tinted = cv2.LUT(picture, np.clip(steps, 0, 255).astype(np.uint8)[None])
    return cv2.min(tinted, cv2.merge([picture[..., 3]] * 4))  # premultiplied: no colour exceeds alpha


def blob(rng: Rng, library: SpriteLibrary, photo: Photo | None) -> Array:
    """Return a random smooth or jagged shape filled with texture, premultiplied RGBA."""
    mask = shapes.jagged_mask(rng) if chance(rng, 0.2) else shapes.blob_mask(rng, float(rng.uniform(0.1, 0.6)))
    skin = textures.surface(rng, library, shapes.SIZE, photo)
    return shapes.with_alpha(textures.shade(rng, skin, float(rng.uniform(0, 0.8))), mask)


def scenery(rng: Rng, library: SpriteLibrary, scene: Scene, size: int, safe: bool) -> Actor:
    """Return an unlabelled, static object; ``safe``: it must not show a nameable object."""
    picture: Array | None = None
    if chance(rng, 0.6):
        source = library.cutout if safe else pick(rng, (library.cutout, library.stamp, library.emoji))
        picture = source(rng)
    if picture is None:
        picture = blob(rng, library, scene.photo)
    scale = scale_for(log_uniform(rng, 0.01, 0.12), size, opaque(picture), 124.0)
    x, y = rng.uniform(0, size, 2)
    place = motion.compose(np.full(1, x), np.full(1, y), np.full(1, scale), np.full(1, rng.normal(0, 0.4)))[0]
    return Actor([sprite_part(picture)], scene.camera @ place, 0, feather=pick(rng, (0.0, 0.6)))


def mean_colour(picture: Array) -> NDArray[np.float64]:
    """Return the mean RGB of the opaque part of a premultiplied picture."""
    red, green, blue, alpha = cv2.sumElems(picture)
    return np.array([red, green, blue]) * 255 / max(alpha, 255.0)
