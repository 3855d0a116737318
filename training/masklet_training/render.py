"""Layered rendering: actors with moving parts, composited over a background with id masks.

Frames are RGBA while compositing (four channels are faster in OpenCV); their alpha is unused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from .motion import Elastic, Matrices

Array = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom in frame pixels
Rows = list[list[float]]  # a 3x3 matrix as plain numbers

MAX_SMEAR = 14.0


@dataclass
class Part:
    """A premultiplied RGBA picture and its placement inside the actor over time.

    ``place``: [T,3,3] (or [1,3,3]: fixed), picture pixels to actor units, which are centred on the actor.
    """

    picture: Array
    place: Matrices
    elastic: Elastic | None = None
    _levels: list[Array] = field(default_factory=list)

    def at_scale(self, scale: float) -> tuple[Array, float]:
        """Return the picture shrunk for a drawing scale, and the shrink factor."""
        if not self._levels:
            self._levels = [self.picture]
        level = 0
        while scale * 2**level < 0.6 and level < 3:
            if level + 1 == len(self._levels):
                last = self._levels[-1]
                if min(last.shape[:2]) <= 12:
                    break
                size = (last.shape[1] // 2, last.shape[0] // 2)
                self._levels.append(cv2.resize(last, size, interpolation=cv2.INTER_AREA))
            level += 1
        return self._levels[level], float(2**level)


@dataclass
class Actor:
    """An object drawn in front of the background.

    ``motion``: [T,3,3], actor units to frame pixels.  ``label``: object index + 1, or 0 for scenery.  ``blur``:
    shutter share of the motion between frames; ``feather``: edge blur in pixels; ``shadow``: opacity of a drop
    shadow.  ``hidden``: [T], frames in which the actor is absent.
    """

    parts: list[Part]
    motion: Matrices
    label: int
    blur: float = 0.0
    feather: float = 0.0
    shadow: float = 0.0
    hidden: NDArray[np.bool_] | None = None
    _placed: list[list[tuple[Rows, Box]]] = field(default_factory=list)

    def placed(self, index: int) -> list[tuple[Rows, Box]]:
        """Return, for each part in a frame, its matrix (picture to frame pixels) and its bounding box."""
        if not self._placed:
            matrices = np.stack([self.motion @ part.place for part in self.parts], axis=1)  # [T, P, 3, 3]
            boxes = _bounds(matrices, [part.picture.shape[:2] for part in self.parts])
            pairs = zip(matrices.tolist(), boxes.tolist(), strict=True)
            self._placed = [list(zip(rows, box, strict=True)) for rows, box in pairs]
        return self._placed[index]

    def smear(self, index: int) -> tuple[float, float]:
        """Return the motion-blur vector in pixels at a frame."""
        if self.blur <= 0 or len(self.motion) < 2:
            return 0.0, 0.0
        other = index + 1 if index + 1 < len(self.motion) else index - 1
        dx, dy = (float(v) * self.blur for v in (self.motion[other] - self.motion[index])[:2, 2])
        limit = min(1.0, MAX_SMEAR / max(1e-6, math.hypot(dx, dy)))
        return dx * limit, dy * limit


def draw_actor(frame: Array, ids: Array, actor: Actor, index: int, time: float) -> None:
    """Composite one actor at frame ``index`` onto ``frame`` [H,W,4] and ``ids`` [H,W], in place."""
    if actor.hidden is not None and actor.hidden[index]:
        return
    rendered = _layer(actor, index, time, frame.shape[0], frame.shape[1])
    if rendered is None:
        return
    layer, x, y = rendered
    height, width = layer.shape[:2]
    alpha = cv2.extractChannel(layer, 3)
    if actor.shadow > 0:
        _cast_shadow(frame, alpha, x, y, actor.shadow)
    _over(frame[y : y + height, x : x + width], layer, alpha)
    np.copyto(ids[y : y + height, x : x + width], actor.label, where=alpha > 127)


def _over(target: Array, layer: Array, alpha: Array) -> None:
    """Composite a premultiplied layer over a region of a frame, in place."""
    cover = cv2.bitwise_not(alpha)
    kept = cv2.multiply(target, cv2.merge([cover, cover, cover, cover]), scale=1 / 255)
    cv2.add(kept, layer, dst=target)


def _cast_shadow(frame: Array, alpha: Array, x: int, y: int, opacity: float) -> None:
    """Darken a frame region below and right of a layer, in place."""
    offset = max(2, alpha.shape[0] // 16)
    height = min(alpha.shape[0], frame.shape[0] - y - offset)
    width = min(alpha.shape[1], frame.shape[1] - x - offset)
    if height < 4 or width < 4:
        return
    gain = cv2.bitwise_not(cv2.convertScaleAbs(cv2.blur(alpha[:height, :width], (7, 7)), alpha=opacity))
    target = frame[y + offset : y + offset + height, x + offset : x + offset + width]
    cv2.multiply(target, cv2.merge([gain, gain, gain, gain]), scale=1 / 255, dst=target)


def _layer(actor: Actor, index: int, time: float, height: int, width: int) -> tuple[Array, int, int] | None:
    """Render the parts of an actor into one RGBA layer clipped to the frame: the layer and its corner."""
    dx, dy = actor.smear(index)
    pad = 2 + int(max(abs(dx), abs(dy)))
    placed = actor.placed(index)
    lefts, tops, rights, bottoms = zip(*(box for _, box in placed), strict=True)
    x0, y0 = max(0, min(lefts) - pad), max(0, min(tops) - pad)
    x1, y1 = min(width, max(rights) + pad), min(height, max(bottoms) + pad)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    if len(placed) == 1:
        layer = _warp(actor.parts[0], placed[0][0], time, x0 + dx / 2, y0 + dy / 2, x1 - x0, y1 - y0)
    else:
        layer = np.zeros((y1 - y0, x1 - x0, 4), np.uint8)
        for part, (rows, box) in zip(actor.parts, placed, strict=True):
            left, top = max(x0, box[0] - pad), max(y0, box[1] - pad)
            right, bottom = min(x1, box[2] + pad), min(y1, box[3] + pad)
            if right - left >= 1 and bottom - top >= 1:
                drawn = _warp(part, rows, time, left + dx / 2, top + dy / 2, right - left, bottom - top)
                _over(layer[top - y0 : bottom - y0, left - x0 : right - x0], drawn, cv2.extractChannel(drawn, 3))
    if max(abs(dx), abs(dy)) >= 2:
        layer = _motion_blur(layer, dx, dy)
    if actor.feather > 0:
        layer = cv2.GaussianBlur(layer, (3, 3) if actor.feather < 0.75 else (5, 5), actor.feather)
    return layer, x0, y0


def _warp(part: Part, rows: Rows, time: float, x: float, y: float, width: int, height: int) -> Array:
    """Draw a part into a window of the frame whose corner is (x, y): RGBA [height, width, 4]."""
    (a, b, c), (d, e, f), (g, h, w) = rows
    picture, shrunk = part.at_scale(math.sqrt(abs(a * e - b * d)) / abs(w))
    if part.elastic is not None:
        picture = part.elastic.apply(picture, time)
    if abs(g) + abs(h) < 1e-9:
        matrix = np.array([[a * shrunk, b * shrunk, c - x], [d * shrunk, e * shrunk, f - y]])
        return cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR)
    top = [(a - x * g) * shrunk, (b - x * h) * shrunk, c - x * w]
    middle = [(d - y * g) * shrunk, (e - y * h) * shrunk, f - y * w]
    matrix = np.array([top, middle, [g * shrunk, h * shrunk, w]])
    return cv2.warpPerspective(picture, matrix, (width, height), flags=cv2.INTER_LINEAR)


def _bounds(matrices: NDArray[np.float64], sizes: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Return the boxes [T,P,4] in frame pixels of pictures (height, width) placed by matrices [T,P,3,3]."""
    corners = np.array([[[0, w, 0, w], [0, 0, h, h], [1, 1, 1, 1]] for h, w in sizes], np.float64)
    points = matrices @ corners  # [T, P, 3, 4]
    flat = points[:, :, :2] / np.maximum(points[:, :, 2:], 0.05)
    low, high = np.floor(flat.min(axis=3)) - 1, np.ceil(flat.max(axis=3)) + 2
    return np.concatenate([low, high], axis=2).astype(np.int64)


def _motion_blur(layer: Array, dx: float, dy: float) -> Array:
    """Average a layer along a vector, forwards from its position, by repeated halving: up to 16 taps."""
    for _ in range(4):
        dx, dy = dx / 2, dy / 2
        if round(dx) == 0 and round(dy) == 0:
            break
        layer = cv2.addWeighted(layer, 0.5, _shifted(layer, round(dx), round(dy)), 0.5, 0)
    return layer


def _shifted(layer: Array, dx: int, dy: int) -> Array:
    height, width = layer.shape[:2]
    out = np.zeros_like(layer)
    if abs(dx) < width and abs(dy) < height:
        source = layer[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
        out[max(0, dy) : height - max(0, -dy), max(0, dx) : width - max(0, -dx)] = source
    return out
