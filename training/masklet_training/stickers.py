"""Stickers: single objects on a small piece of a background. They suffice for training the namer's pixel branch, without
drawing, encoding and searching whole frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from . import shapes, textures
from .clips import ASPECT_SHARES, ASPECTS
from .effects import Effects
from .library import SpriteLibrary
from .model.encoder import MEAN, STD
from .model.naming import SHARP_MARGIN, SHARP_PLACES, outlined, region_boxes
from .named import NamedSprite, picture_sprite, shape_sprite
from .sampling import chance, log_uniform, pick
from .scene import blob
from .vocabulary import ALL_PHRASES

Array = NDArray[np.uint8]
Rng = np.random.Generator

SIDE = 112  # pixels of a sticker
CELL = 4.0  # side of a cell of the refined masks, in pixels of the frame
LENGTHS = (24.0, 176.0)  # length of an object's longer side, in pixels of a frame of 384
LONGEST = 62.0  # longer objects are drawn smaller, because the namer looks at few places
UNNAMED = 0.08  # share of objects without a name
RESTYLED = 0.7  # share of pictures that are drawn in another style
MIN_VISIBLE = 0.5  # least visible share of an object
SAME_OBJECT = 0.5  # least IoU of an inaccurate outline with the exact one
COLUMN = {phrase: index for index, phrase in enumerate(ALL_PHRASES)}


@dataclass
class Sticker:
    """One object: pixels uint8 [SIDE,SIDE,3], its outline as a detector might draw it, 0..1 [cells,cells], and its names. The
    number of cells depends on how much smaller than in the frame the object is drawn.
    """

    pixels: Array
    outline: NDArray[np.float32]
    phrases: list[str]
    maybe: list[str]


def sticker(rng: Rng, library: SpriteLibrary, pictures: float) -> Sticker:
    """``pictures``: share of pictures among named objects."""
    while True:
        sprite = _random_sprite(rng, library, pictures)
        aspect = pick(rng, ASPECTS, ASPECT_SHARES)
        full_length = log_uniform(rng, *LENGTHS)
        length = min(full_length, LONGEST)
        cells = round(SIDE * full_length / length / CELL)
        middle = _middle(rng, length)
        placed = _placed(sprite.picture, _matrix(rng, length, aspect, sprite.angle, middle))
        alpha = placed[..., 3].astype(np.float32) / 255
        pixels = _ground(rng, library)
        neighbour, in_front = None, chance(rng, 0.4)
        if chance(rng, 0.35):
            turn, away = rng.uniform(0, 2 * np.pi), length * rng.uniform(0.55, 1.1)
            beside = (middle[0] + away * np.cos(turn), middle[1] + away * np.sin(turn))
            place = _matrix(rng, length * rng.uniform(0.5, 1.6), aspect, float(rng.normal(0, 0.5)), beside)
            neighbour = _placed(_random_sprite(rng, library, pictures).picture, place)
        for layer in (placed, neighbour) if in_front else (neighbour, placed):
            if layer is not None:
                pixels = _over(pixels, layer)
        whole = alpha.sum()
        if neighbour is not None and in_front:
            alpha *= 1 - neighbour[..., 3].astype(np.float32) / 255
        outline = _outline(rng, alpha, cells)
        if alpha.sum() >= MIN_VISIBLE * whole and (outline > 0.5).sum() >= 6:
            effects = Effects.sample(rng, np.zeros(1), pick(rng, (0.0, 0.4, 0.9), (0.4, 0.35, 0.25)))
            return Sticker(effects.apply(rng, pixels, 0), outline, *sprite.names)


def _random_sprite(rng: Rng, library: SpriteLibrary, pictures: float) -> NamedSprite:
    if chance(rng, UNNAMED):
        found = pick(rng, (library.emoji, library.cutout))(rng) if chance(rng, 0.5) else None
        picture = blob(rng, library, library.photo(rng)) if found is None else found
        return NamedSprite(picture, ([], []), float(rng.normal(0, 0.4)), None)
    if chance(rng, pictures) and library.concepts:
        return picture_sprite(rng, library, pick(rng, library.concepts))
    return shape_sprite(rng, shapes.random_named(rng), pick(rng, ("flat", "lit", "textured"), (0.6, 0.2, 0.2)))


def _middle(rng: Rng, length: float) -> tuple[float, float]:
    """Centre of an object: in the middle, or near an edge that cuts off a part of it, as the edge of a frame does."""
    if not chance(rng, 0.25):
        return SIDE / 2, SIDE / 2
    edge, along = length * rng.uniform(0.0, 0.45), SIDE * rng.uniform(0.3, 0.7)
    if chance(rng, 0.5):
        edge = SIDE - edge
    return (edge, along) if chance(rng, 0.6) else (along, edge)


def _matrix(rng: Rng, length: float, aspect: float, angle: float, middle: tuple[float, float]) -> NDArray[np.float64]:
    """Placement of a 128 × 128 picture: scaled to ``length``, rotated, then resized like frames of the given ``aspect``."""
    scale = length / 124 * np.exp(rng.normal(0, 0.04, 2)) * (min(1.0, 1 / aspect), min(1.0, aspect))
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.diag(scale) @ np.array([[cos, -sin], [sin, cos]])
    centre = np.array(middle) + rng.uniform(-2, 2, 2)
    return np.column_stack([linear, centre - linear @ (64.0, 64.0)])


def _placed(picture: Array, matrix: NDArray[np.float64]) -> Array:
    """Warps a premultiplied RGBA picture onto the sticker; shrinks it first so that no detail is skipped."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    shrink = 1
    while scale * shrink < 0.5 and shrink < 8:
        shrink *= 2
    if shrink > 1:
        side = picture.shape[0] // shrink
        picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        # Pixel centres: x of the large picture is shrink·x + (shrink − 1) / 2 of the small one.
        matrix = matrix @ np.array([[shrink, 0, (shrink - 1) / 2], [0, shrink, (shrink - 1) / 2], [0, 0, 1]])
    return cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)


def _over(pixels: Array, layer: Array) -> Array:
    """Composite a premultiplied RGBA picture over RGB pixels."""
    rest = 255 - layer[..., 3]
    return cv2.add(cv2.multiply(pixels, cv2.merge([rest, rest, rest]), scale=1 / 255), cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB))


def _ground(rng: Rng, library: SpriteLibrary) -> Array:
    roll = rng.random()
    photo = library.photo(rng) if roll < 0.4 else None
    if photo is not None:
        return textures.photo_crop(rng, photo, SIDE)
    first, second = textures.any_colour(rng), textures.any_colour(rng)
    if roll < 0.75:
        return textures.plain(first, SIDE)
    return (textures.gradient if roll < 0.87 else textures.noise)(rng, first, second, SIDE)


def _outline(rng: Rng, alpha: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """The visible outline of an object, either exact or with a detector's inaccuracy: displaced, of another shape, or blurred."""
    exact = cv2.resize(alpha, (cells, cells), interpolation=cv2.INTER_AREA).clip(0, 1)
    if chance(rng, 0.3):
        return exact
    outline = exact
    if chance(rng, 0.25):
        outline = _reshaped(rng, outline)
    if chance(rng, 0.5):
        outline = _displaced(rng, outline)
    if _overlap(outline, exact) < SAME_OBJECT:
        outline = exact
    if chance(rng, 0.3):
        return outline
    soft = cv2.GaussianBlur(outline, (5, 5), float(rng.uniform(0.4, 1.1)))
    coarse = rng.normal(0, rng.uniform(0.2, 1.4), (cells // 4, cells // 4)).astype(np.float32)
    noise = cv2.resize(coarse, (cells, cells), interpolation=cv2.INTER_LINEAR) * (soft > 0.02)
    return (1 / (1 + np.exp(-(soft - rng.uniform(0.4, 0.6)) * 10 - noise))).astype(np.float32)


def _reshaped(rng: Rng, outline: NDArray[np.float32]) -> NDArray[np.float32]:
    """Another shape in the box of an outline: the detector draws what the phrase asks for."""
    inside = (outline > 0.5).astype(np.uint8)
    x, y, w, h = cv2.boundingRect(inside)
    if not inside.any():
        return outline
    shape = shapes.shape_mask(rng, pick(rng, shapes.SHAPES)) if chance(rng, 0.7) else shapes.blob_mask(rng, 0.4)
    other = np.zeros_like(outline)
    other[y : y + h, x : x + w] = cv2.resize(shape, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return other


def _displaced(rng: Rng, outline: NDArray[np.float32]) -> NDArray[np.float32]:
    """An outline that is moved and stretched a little."""
    x, y, w, h = cv2.boundingRect((outline > 0.5).astype(np.uint8))
    scale, shift = np.exp(rng.normal(0, 0.15, 2)), rng.normal(0, 0.08, 2) * (w, h)
    middle = np.array([x + w / 2, y + h / 2])
    matrix = np.column_stack([np.diag(scale), middle - scale * middle + shift])
    return cv2.warpAffine(outline, matrix, outline.shape[::-1], flags=cv2.INTER_LINEAR)


def _overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """IoU"""
    both, either = ((a > 0.5) & (b > 0.5)).sum(), ((a > 0.5) | (b > 0.5)).sum()
    return float(both / max(either, 1))


def make_stickers(sprites: str, pictures: float, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield batches without end, see `sticker_batch`."""
    rng, library = np.random.default_rng(seed), SpriteLibrary(sprites, "train", RESTYLED)
    while True:
        yield sticker_batch(rng, library, pictures, count)


def sticker_batch(rng: Rng, library: SpriteLibrary, pictures: float, count: int) -> dict[str, Any]:
    """What the namer sees, `sharp` float16 [R,4,SHARP_PLACES,SHARP_PLACES] and `extent` [R,2] of `RegionViews`, and which phrases
    are true and debatable, `positive` and `doubtful` bool [R,phrases]
    """
    made = [sticker(rng, library, pictures) for _ in range(count)]
    positive, doubtful = np.zeros((2, count, len(ALL_PHRASES)), bool)
    for row, one in enumerate(made):
        positive[row, [COLUMN[phrase] for phrase in one.phrases]] = True
        doubtful[row, [COLUMN[phrase] for phrase in one.maybe if phrase in COLUMN]] = True
    sharp, extent = zip(*(view(one) for one in made), strict=True)
    return {"sharp": np.stack(sharp), "extent": np.stack(extent), "positive": positive, "doubtful": doubtful}


def view(one: Sticker) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """What the namer sees of a sticker, see `RegionViews`: sharp [4,SHARP_PLACES,SHARP_PLACES], extent [2]"""
    picture = torch.from_numpy((one.pixels / 255.0 - MEAN) / STD).permute(2, 0, 1)[None].float()
    outline = torch.from_numpy(one.outline)[None, None]
    boxes, extent = region_boxes(outline, SHARP_MARGIN)
    return outlined(picture, outline, boxes, SHARP_PLACES)[0].half().numpy(), extent[0].numpy()
