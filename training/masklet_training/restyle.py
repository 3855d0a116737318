"""Draws a picture as another artist might: the namer learns few styles, and recognises pictures in other styles less often."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from . import motion
from .motion import Elastic
from .sampling import chance, pick

Array = NDArray[np.uint8]
Rng = np.random.Generator

PACE = motion.Pace(0.0, 0.0, 0.0)  # deformations of a single picture do not move


def restyled(rng: Rng, picture: Array) -> Array:
    """Change proportions, colours, lines and surfaces of a premultiplied RGBA picture [S,S,4], uint8."""
    if chance(rng, 0.7):
        picture = _stretched(rng, picture)
    if chance(rng, 0.5):
        picture = Elastic.sample(rng, PACE).apply(picture, 0.0)
    alpha = picture[..., 3]
    colours = _straight(picture)
    if chance(rng, 0.7):
        colours = _recoloured(rng, colours)
    if chance(rng, 0.35):
        colours = _flattened(rng, colours)
    if chance(rng, 0.25):
        colours = _with_lines(rng, colours)
    if chance(rng, 0.3):
        colours = _lit(rng, colours)
    if chance(rng, 0.3):
        colours, alpha = _outlined(rng, colours, alpha)
    return _premultiplied(colours, alpha)


def _straight(picture: Array) -> Array:
    """The colours of a premultiplied picture, as if it were opaque; its border colours continue outside."""
    alpha = picture[..., 3:].astype(np.float32)
    colours = np.clip(picture[..., :3] * (255.0 / np.maximum(alpha, 1.0)), 0, 255).astype(np.uint8)
    solid = picture[..., 3] > 128
    if not solid.any():
        return colours
    spread = np.where(solid[..., None], colours, 0)
    near = cv2.dilate(spread, np.ones((9, 9), np.uint8))
    return np.where(solid[..., None], colours, near)


def _premultiplied(colours: Array, alpha: Array) -> Array:
    return np.dstack([cv2.multiply(colours, cv2.merge([alpha] * 3), scale=1 / 255), alpha])


def _stretched(rng: Rng, picture: Array) -> Array:
    """Other proportions, sheared, and seen from another side"""
    side = picture.shape[0]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    stretch = np.exp(rng.normal(0, 0.1, 2))
    moved = (corners - 0.5) * stretch / max(stretch.max(), 1.0) + 0.5 + rng.normal(0, 0.05, (4, 2))
    inside = np.clip(moved, 0, 1).astype(np.float32)
    return cv2.warpPerspective(picture, cv2.getPerspectiveTransform(corners * side, inside * side), (side, side))


def _recoloured(rng: Rng, colours: Array) -> Array:
    hsv = cv2.cvtColor(colours, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.normal(0, 7)) % 180
    hsv[..., 1] *= np.exp(rng.normal(-0.1, 0.35))
    value = (hsv[..., 2] / 255) ** np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.12))
    hsv[..., 2] = value * 255
    return cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB)


def _flattened(rng: Rng, colours: Array) -> Array:
    """Without small details, in few shades"""
    size = pick(rng, (3, 5, 7))
    smooth = cv2.medianBlur(np.ascontiguousarray(colours), size)
    if chance(rng, 0.5):
        return smooth
    step = float(rng.uniform(20, 60))
    return np.clip(np.round(smooth / step) * step, 0, 255).astype(np.uint8)


def _with_lines(rng: Rng, colours: Array) -> Array:
    """Dark lines where the colours change"""
    gray = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)
    lines = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    dark = np.clip(lines.astype(np.float32) * rng.uniform(1.0, 4.0), 0, 255)[..., None] / 255
    return (colours * (1 - dark * rng.uniform(0.4, 1.0))).astype(np.uint8)


def _lit(rng: Rng, colours: Array) -> Array:
    """Lighter on one side"""
    side = colours.shape[0]
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]
    return np.clip(colours * (1 + rng.uniform(0.1, 0.4) * slope[..., None]), 0, 255).astype(np.uint8)


def _outlined(rng: Rng, colours: Array, alpha: Array) -> tuple[Array, Array]:
    """A line of one colour around the picture"""
    width = int(rng.integers(1, 4)) * 2 + 1
    colour = pick(rng, ((0, 0, 0), (255, 255, 255), tuple(int(v) for v in rng.integers(0, 120, 3))))
    grown = cv2.dilate(alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    share = (alpha.astype(np.float32) / 255)[..., None]
    return (colours * share + np.array(colour, np.float32) * (1 - share)).astype(np.uint8), grown
