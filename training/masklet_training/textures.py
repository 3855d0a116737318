"""Colours, fills and backgrounds of surfaces."""

from __future__ import annotations

import colorsys
import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from .library import Photo, SpriteLibrary
from .sampling import pick

Array = NDArray[np.uint8]
Rng = np.random.Generator
Colour = tuple[int, int, int]
TURN = np.float32(2 * np.pi)

# Named colour -> ranges of hue (degrees), saturation and value for which the name is unambiguous.
HSV_RANGES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((350, 366), (0.78, 1.0), (0.65, 1.0)),
    "orange": ((22, 38), (0.85, 1.0), (0.9, 1.0)),
    "yellow": ((50, 60), (0.75, 1.0), (0.9, 1.0)),
    "green": ((95, 150), (0.55, 1.0), (0.4, 0.9)),
    "blue": ((210, 245), (0.65, 1.0), (0.55, 1.0)),
    "purple": ((268, 292), (0.5, 1.0), (0.45, 0.85)),
    "pink": ((318, 345), (0.25, 0.6), (0.95, 1.0)),
    "brown": ((18, 30), (0.6, 0.85), (0.35, 0.55)),
    "black": ((0, 360), (0.0, 0.3), (0.0, 0.12)),
    "white": ((0, 360), (0.0, 0.04), (0.94, 1.0)),
    "gray": ((0, 360), (0.0, 0.06), (0.42, 0.66)),
    "cyan": ((178, 190), (0.6, 1.0), (0.85, 1.0)),
}
# Values that programs commonly use for the same names.
PURE: dict[str, tuple[Colour, ...]] = {
    "red": ((255, 0, 0), (220, 20, 20)),
    "orange": ((255, 165, 0), (255, 128, 0)),
    "yellow": ((255, 255, 0), (255, 220, 0)),
    "green": ((0, 128, 0), (0, 255, 0), (0, 200, 0)),
    "blue": ((0, 0, 255), (30, 60, 220)),
    "purple": ((128, 0, 128), (150, 50, 200)),
    "pink": ((255, 192, 203), (255, 105, 180)),
    "brown": ((139, 69, 19), (165, 42, 42), (120, 72, 30)),
    "black": ((0, 0, 0),),
    "white": ((255, 255, 255),),
    "gray": ((128, 128, 128), (150, 150, 150)),
    "cyan": ((0, 255, 255),),
}


def named_colour(rng: Rng, name: str) -> Colour:
    """Sample an RGB colour with the given name."""
    if rng.random() < 0.35:
        options = PURE[name]
        return pick(rng, options)
    hue, saturation, value = (rng.uniform(*bounds) for bounds in HSV_RANGES[name])
    return hsv(hue, saturation, value)


def any_colour(rng: Rng) -> Colour:
    """Sample an arbitrary RGB colour, muted ones included."""
    return hsv(rng.uniform(0, 360), rng.random() ** 0.7, rng.uniform(0.08, 1.0))


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """Return ``first`` with a share of ``second``."""
    r, g, b = (round(a + (c - a) * share) for a, c in zip(first, second, strict=True))
    return r, g, b


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Convert hue (degrees), saturation and value (0..1) to 8-bit RGB."""
    r, g, b = colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)
    return round(r * 255), round(g * 255), round(b * 255)


@functools.cache
def noise_bank(size: int = 256, count: int = 12) -> list[Array]:
    """Return ``count`` multi-octave noise fields, uint8 [size, size] each."""
    rng = np.random.default_rng(1234)
    fields = []
    for index in range(count):
        field = np.zeros((size, size), np.float32)
        slope = 0.35 + 0.5 * index / count
        for octave in range(2, 8):
            grid = rng.random((2**octave, 2**octave)).astype(np.float32)
            field += slope**octave * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        low, high = np.percentile(field, (1, 99))
        fields.append((np.clip((field - low) / (high - low), 0, 1) * 255).astype(np.uint8))
    return fields


@functools.cache
def grain_bank(size: int, strength: int) -> tuple[Array, Array]:
    """Return the positive and the negative part of pre-computed noise, uint8 [size+64, size+64, 3] each.

    ``strength`` is the standard deviation in gray levels.
    """
    noise = np.random.default_rng(99).normal(0, strength, (size + 64, size + 64, 3))
    return np.clip(noise, 0, 255).round().astype(np.uint8), np.clip(-noise, 0, 255).round().astype(np.uint8)


_STEPS = np.linspace(0, 1, 256, dtype=np.float32)[:, None]


@functools.cache
def _ramps(size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    axis = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    return np.tile(axis, (size, 1)), np.tile(axis[:, None], (1, size))


def blend_map(weights: Array, low: Colour, high: Colour) -> Array:
    """Map a uint8 field [H,W] to colours between ``low`` (0) and ``high`` (255): uint8 [H,W,3]."""
    steps = _STEPS * (np.array(high, np.float32) - np.array(low, np.float32)) + np.array(low, np.float32)
    return cv2.LUT(cv2.merge([weights, weights, weights]), steps.astype(np.uint8)[None])


def _to_weights(field: NDArray[np.float32], gain: float) -> Array:
    """Map a field to uint8 so that 0 becomes the middle; ``gain`` 1 maps -0.5..0.5 to 0..255."""
    scaled = cv2.addWeighted(field, 255 * gain, field, 0, 127.5, dtype=cv2.CV_8U)
    return np.asarray(scaled, np.uint8)


def plain(colour: Colour, size: int) -> Array:
    """Return a flat uint8 [size, size, 3] surface."""
    channels = np.empty((3, size, size), np.uint8)
    for channel, value in zip(channels, colour, strict=True):
        channel.fill(value)
    return cv2.merge(list(channels))


def gradient(rng: Rng, low: Colour, high: Colour, size: int) -> Array:
    """Return a linear gradient in a random direction, uint8 [size, size, 3]."""
    xs, ys = _ramps(size)
    angle = rng.uniform(0, 2 * np.pi)
    field = np.float32(np.cos(angle)) * xs + np.float32(np.sin(angle)) * ys
    return blend_map(_to_weights(field, 0.7), low, high)


def noise(rng: Rng, low: Colour, high: Colour, size: int) -> Array:
    """Return cloud-like noise between two colours, uint8 [size, size, 3]."""
    field = pick(rng, noise_bank())
    span = int(rng.integers(48, 257))
    y, x = (int(rng.integers(0, 257 - span)) for _ in range(2))
    crop = cv2.resize(field[y : y + span, x : x + span], (size, size))
    return blend_map(crop, low, high)


def pattern(rng: Rng, kind: str, first: Colour, second: Colour, size: int) -> Array:
    """Return stripes, dots or a chequerboard in two colours, uint8 [size, size, 3]."""
    xs, ys = _ramps(size)
    angle = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = cos * xs + sin * ys, cos * ys - sin * xs
    count = np.float32(rng.uniform(4, 8))
    if kind == "striped":
        wave = np.sin(TURN * count * u)
    elif kind == "dotted":
        wave = np.float32(0.35) - np.float32(0.5) * (np.cos(TURN * count * u) + np.cos(TURN * count * v))
    else:
        wave = np.sin(TURN / 2 * count * u) * np.sin(TURN / 2 * count * v)
    return blend_map(_to_weights(wave, 6.0), second, first)


def photo_crop(rng: Rng, photo: Photo, size: int) -> Array:
    """Return a random square of a photograph as texture, uint8 [size, size, 3]."""
    full, half = photo
    source = full if rng.random() < 0.5 else half
    limit = min(source.shape[:2])
    span = int(rng.integers(min(48, limit - 1), min(220, limit)))
    y = int(rng.integers(0, source.shape[0] - span))
    x = int(rng.integers(0, source.shape[1] - span))
    return cv2.resize(source[y : y + span, x : x + span], (size, size), interpolation=cv2.INTER_LINEAR)


def surface(rng: Rng, library: SpriteLibrary, size: int, photo: Photo | None = None) -> Array:
    """Return an arbitrary texture for a track object, uint8 [size, size, 3].

    ``photo`` suggests the photograph to cut texture from (the background's, for camouflage).
    """
    roll = rng.random()
    if roll < 0.45:
        source = photo if photo is not None else library.photo(rng)
        if source is not None:
            return photo_crop(rng, source, size)
    first, second = any_colour(rng), any_colour(rng)
    if roll < 0.6:
        return plain(first, size)
    if roll < 0.75:
        return gradient(rng, first, second, size)
    if roll < 0.92:
        return noise(rng, first, second, size)
    kinds = ("striped", "dotted", "checkered")
    return pattern(rng, pick(rng, kinds), first, second, size)


def shade(rng: Rng, image: Array, strength: float) -> Array:
    """Apply a smooth light falloff across a surface; keeps hue."""
    xs, ys = _ramps(image.shape[0])
    angle = rng.uniform(0, 2 * np.pi)
    field = np.float32(np.cos(angle)) * xs + np.float32(np.sin(angle)) * ys
    gain = cv2.addWeighted(field, 100 * strength, field, 0, 100, dtype=cv2.CV_8U)  # 100 leaves a pixel unchanged
    return cv2.multiply(image, cv2.merge([gain, gain, gain]), scale=0.01)
