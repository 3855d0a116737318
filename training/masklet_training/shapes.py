"""Drawn shapes: named ones (red circle) and anonymous blobs, as premultiplied RGBA pictures."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from . import textures
from .sampling import pick
from .vocabulary import COLOURS, PATTERNS, SHAPE_NAMES, shape_maybe, shape_phrases

Array = NDArray[np.uint8]
Rng = np.random.Generator

SIZE = 128
SHAPES = tuple(SHAPE_NAMES)
# Shapes that become another shape when rotated freely: largest allowed tilt in degrees.
MAX_TILT = {"square": 18.0, "diamond": 18.0, "cross": 20.0, "rectangle": 180.0}


def polygon_mask(points: NDArray[np.float64], size: int = SIZE) -> Array:
    """Fill a polygon given in units of the picture (0..1), anti-aliased: uint8 [size, size]."""
    mask = np.zeros((size, size), np.uint8)
    fixed = np.round(points * (size - 1) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, lineType=cv2.LINE_AA, shift=4)
    return mask


def _regular(corners: int, turn: float = 0.0) -> NDArray[np.float64]:
    angles = turn - np.pi / 2 + np.arange(corners) * 2 * np.pi / corners
    return 0.5 + 0.48 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _star(corners: int, inner: float) -> NDArray[np.float64]:
    angles = -np.pi / 2 + np.arange(corners * 2) * np.pi / corners
    radii = np.where(np.arange(corners * 2) % 2 == 0, 0.48, 0.48 * inner)
    return 0.5 + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _heart() -> NDArray[np.float64]:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([0.5 + x / 34, 0.46 - y / 34], axis=1)


@functools.cache
def _circle(radius: float, cx: float = 0.5, cy: float = 0.5) -> Array:
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    return polygon_mask(np.stack([cx + radius * np.cos(angles), cy + radius * np.sin(angles)], axis=1))


def shape_mask(rng: Rng, shape: str) -> Array:
    """Return the alpha mask uint8 [128, 128] of a named shape with random proportions."""
    if shape in ("circle", "ball"):
        return _circle(0.48)
    if shape == "ring":
        return cv2.subtract(_circle(0.48), _circle(round(float(rng.uniform(0.22, 0.36)), 2)))
    if shape == "crescent":
        shift = round(float(rng.uniform(0.16, 0.26)), 2)
        return cv2.subtract(_circle(0.48), _circle(0.42, 0.5 + shift, 0.5))
    if shape == "ellipse":
        angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        ry = 0.48 / rng.uniform(1.4, 2.3)
        return polygon_mask(np.stack([0.5 + 0.48 * np.cos(angles), 0.5 + ry * np.sin(angles)], axis=1))
    if shape in ("square", "rectangle"):
        h = 0.46 if shape == "square" else 0.48 / rng.uniform(1.5, 2.6)
        w = 0.46 if shape == "square" else 0.48
        return polygon_mask(0.5 + np.array([[-w, -h], [w, -h], [w, h], [-w, h]]))
    if shape == "triangle":
        return polygon_mask(_regular(3) + np.array([0, 0.08]))
    if shape == "star":
        return polygon_mask(_star(pick(rng, (5, 5, 5, 6)), float(rng.uniform(0.38, 0.5))))
    if shape in ("pentagon", "hexagon"):
        return polygon_mask(_regular(5 if shape == "pentagon" else 6))
    if shape == "diamond":
        w = 0.48 / rng.uniform(1.25, 1.8)
        return polygon_mask(0.5 + np.array([[0, -0.48], [w, 0], [0, 0.48], [-w, 0]]))
    if shape == "cross":
        a = rng.uniform(0.11, 0.19)
        xs = [-a, a, a, 0.47, 0.47, a, a, -a, -a, -0.47, -0.47, -a]
        ys = [-0.47, -0.47, -a, -a, a, a, 0.47, 0.47, a, a, -a, -a]
        return polygon_mask(0.5 + np.stack([xs, ys], axis=1))
    if shape == "heart":
        return polygon_mask(_heart())
    raise ValueError(f"unknown shape: {shape}")


def with_alpha(surface: Array, mask: Array) -> Array:
    """Combine a surface [H,W,3] and a mask [H,W] into premultiplied RGBA [H,W,4]."""
    colour = cv2.multiply(surface, cv2.merge([mask, mask, mask]), scale=1 / 255)
    return cv2.merge([*cv2.split(colour), mask])


def named_shape(rng: Rng, shape: str, colour: str, pattern: str | None, style: str) -> tuple[Array, list[str], list[str]]:
    """Draw a named shape.

    ``style`` is ``flat`` (one plain colour), ``lit`` (slight shading) or ``textured`` (noise within the named
    colour).  Returns premultiplied RGBA [128,128,4], the true phrases and the debatable ones.
    """
    rgb = textures.named_colour(rng, colour)
    if shape == "ball":
        surface = _sphere(rgb)
    elif pattern:
        other = (255, 255, 255) if sum(rgb) < 480 else (15, 15, 15)
        surface = textures.pattern(rng, pattern, rgb, other, SIZE)
    elif style == "textured":
        surface = textures.noise(rng, _scaled(rgb, 0.82), rgb, SIZE)
    elif style == "lit":
        surface = textures.gradient(rng, _scaled(rgb, 0.85), rgb, SIZE)
    else:
        surface = textures.plain(rgb, SIZE)
    picture = with_alpha(surface, shape_mask(rng, shape))
    if shape != "ball" and rng.random() < 0.12:
        picture = _outlined(picture, (10, 10, 10) if rng.random() < 0.7 else (245, 245, 245))
    return picture, shape_phrases(shape, colour, pattern), shape_maybe(shape, colour, pattern)


def random_named(rng: Rng) -> tuple[str, str, str | None]:
    """Draw a (shape, colour, pattern) combination."""
    shape = pick(rng, SHAPES)
    colour = pick(rng, COLOURS)
    if shape == "ball" or rng.random() < 0.72:
        return shape, colour, None
    return shape, colour, pick(rng, PATTERNS)


def tilt(rng: Rng, shape: str) -> float:
    """Return a resting rotation in degrees under which the shape keeps its name."""
    limit = MAX_TILT.get(shape, 180.0)
    return float(rng.uniform(-limit, limit)) if rng.random() < 0.6 else 0.0


def blob_mask(rng: Rng, roughness: float) -> Array:
    """Return a smooth random closed shape as mask uint8 [128, 128]."""
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = np.ones_like(angles)
    for harmonic in range(2, 7):
        radius += roughness / harmonic * rng.normal() * np.cos(harmonic * angles + rng.uniform(0, 6.3))
    radius = np.clip(radius, 0.25, None)
    points = np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)
    points[:, 1] *= rng.uniform(0.45, 1.0)
    points *= 0.48 / np.abs(points).max()
    return polygon_mask(points + 0.5)


def jagged_mask(rng: Rng) -> Array:
    """Return a random polygon with straight edges as mask uint8 [128, 128]."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 9))))
    radii = rng.uniform(0.25, 0.48, len(angles))
    return polygon_mask(0.5 + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1))


def _scaled(colour: textures.Colour, gain: float) -> textures.Colour:
    r, g, b = (round(c * gain) for c in colour)
    return r, g, b


@functools.cache
def _sphere_light() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return brightness and glint of a sphere lit from the upper left, float32 [128, 128, 1] each."""
    axis = np.linspace(-1, 1, SIZE, dtype=np.float32)
    x, y = axis[None, :], axis[:, None]
    z = np.sqrt(np.clip(1 - x * x - y * y, 0, 1))
    light = np.clip(0.62 + 0.42 * (-0.45 * x - 0.55 * y + 0.7 * z), 0, 1)
    glint = 190 * np.clip(-0.4 * x - 0.5 * y + 0.77 * z, 0, 1) ** 40
    return light[..., None], glint[..., None]


def _sphere(colour: textures.Colour) -> Array:
    """Shade a sphere, uint8 [128, 128, 3]."""
    light, glint = _sphere_light()
    return np.clip(np.array(colour, np.float32) * light + glint, 0, 255).astype(np.uint8)


def _outlined(picture: Array, colour: textures.Colour) -> Array:
    """Add a border of a few pixels inside the alpha of a picture."""
    alpha = picture[..., 3]
    inner = cv2.erode(alpha, np.ones((9, 9), np.uint8), borderValue=0)
    rim = cv2.subtract(alpha, inner)
    rim3 = cv2.merge([rim, rim, rim])
    line = cv2.multiply(textures.plain(colour, SIZE), rim3, scale=1 / 255)
    body = cv2.multiply(np.ascontiguousarray(picture[..., :3]), 255 - rim3, scale=1 / 255)
    return cv2.merge([*cv2.split(cv2.add(line, body)), alpha])
