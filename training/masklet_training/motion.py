"""Motion: paths, spins, zooms, camera shake and elastic deformation as functions of time."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .sampling import chance, log_uniform, pick

Matrices = NDArray[np.float64]  # [T, 3, 3], homogeneous
Rng = np.random.Generator
TURN = 2 * math.pi


def compose(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    scale: NDArray[np.float64],
    angle: NDArray[np.float64],
    shear: NDArray[np.float64] | float = 0.0,
) -> Matrices:
    """Return matrices [T,3,3] that shear, rotate (radians), scale, then move to (x, y)."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    out = np.zeros((len(x), 3, 3))
    out[:, 0, 0], out[:, 0, 1], out[:, 0, 2] = cos, shear * cos - sin, x
    out[:, 1, 0], out[:, 1, 1], out[:, 1, 2] = sin, shear * sin + cos, y
    out[:, 2, 2] = 1
    return out


def timeline(rng: Rng, frames: int) -> NDArray[np.float64]:
    """Return the time of each frame: evenly spaced, or with jittered gaps (mean gap 1)."""
    gaps = np.ones(frames)
    if chance(rng, 0.35):
        gaps = np.exp(rng.normal(0, 0.6, frames))
    gaps[0] = 0
    return np.cumsum(gaps)


@dataclass(frozen=True)
class Pace:
    """Speed of a clip: ``step`` is the distance per frame as a share of the frame size."""

    step: float
    turn: float
    zoom: float

    @staticmethod
    def sample(rng: Rng, low: float = 0.01, high: float = 0.2) -> Pace:
        """Draw a pace, from nearly still to fast."""
        step = log_uniform(rng, low, high)
        turn = pick(rng, (0.0, 0.5, 2.0), (0.3, 0.45, 0.25)) * step
        return Pace(step, turn, float(rng.uniform(0, 0.8)) * step)


def free_spot(rng: Rng, size: int, taken: list[tuple[float, float]], tries: int) -> tuple[float, float]:
    """Return a position in pixels: of several random ones, the farthest from all taken ones."""
    spots = [(x * size, y * size) for x, y in rng.uniform(0.12, 0.88, (tries, 2)).tolist()]
    best = max(spots, key=lambda s: min((math.dist(s, t) for t in taken), default=0.0))
    taken.append(best)
    return best


def path(rng: Rng, times: NDArray[np.float64], size: int, pace: Pace, start: tuple[float, float], enter: bool) -> NDArray[np.float64]:
    """Return positions [T,2] in pixels of a wandering object that turns back near the borders.

    ``enter``: the object comes in from outside instead of beginning at ``start``.  Objects may also
    leave and come back.
    """
    margin = pick(rng, (-0.12, 0.0, 0.25), (0.45, 0.3, 0.25)) * size
    low, high = -margin, size + margin
    x, y = start
    heading = rng.random() * TURN
    if enter:
        side = rng.random() * TURN
        x, y = size * (0.5 + 0.72 * math.cos(side)), size * (0.5 + 0.72 * math.sin(side))
        heading = side + math.pi + rng.normal(0, 0.4)
    speed = pace.step * size * math.exp(rng.normal(0, 0.35))
    bend = rng.normal(0, 0.25)
    points: list[tuple[float, float]] = []
    wobble = rng.normal(0, 0.15, len(times)).tolist()
    moments = times.tolist()
    gaps = [0.0, *(b - a for a, b in itertools.pairwise(moments))]
    for gap, turn in zip(gaps, wobble, strict=True):
        heading += (bend + turn) * gap
        vx, vy = math.cos(heading), math.sin(heading)
        if (x < low and vx < 0) or (x > high and vx > 0):
            vx = -vx
        if (y < low and vy < 0) or (y > high and vy > 0):
            vy = -vy
        heading = math.atan2(vy, vx)
        x, y = x + vx * speed * gap, y + vy * speed * gap
        points.append((x, y))
    return np.array(points)


def object_motion(
    rng: Rng,
    times: NDArray[np.float64],
    size: int,
    scale: float,
    angle: float,
    pace: Pace,
    start: tuple[float, float],
    enter: bool = False,
    max_swing: float | None = None,
    rigid: bool = False,
) -> Matrices:
    """Return matrices [T,3,3] from centred picture pixels to frame pixels.

    ``scale`` and ``angle`` (radians) are the resting values; ``max_swing`` bounds rotation around the
    resting angle (None: free spin).  ``rigid``: no shear or perspective, so that shapes keep their names.
    """
    points = path(rng, times, size, pace, start, enter)
    if max_swing is None:
        angles = angle + rng.normal(0, 1.5) * pace.turn * times
    else:
        angles = angle + max_swing * np.sin(rng.uniform(0, 6.3) + pace.turn * 4 * times)
    phase = rng.uniform(0, 6.3)
    reach = rng.uniform(0.05, 0.45)
    rate = min(1.2, pace.zoom * 4 / max(reach, 0.05))
    log_scale = reach * (np.sin(phase + rate * times) - np.sin(phase))
    shear: NDArray[np.float64] | float = 0.0
    if not rigid and chance(rng, 0.3):
        shear = rng.uniform(0, 0.35) * np.sin(rng.uniform(0, 6.3) + pace.turn * 3 * times)
    matrices = compose(points[:, 0], points[:, 1], scale * np.exp(log_scale), angles, shear)
    if not rigid and chance(rng, 0.15):  # perspective: tilt out of the image plane
        tilt = rng.normal(0, 0.0022, 2)[None] * np.sin(rng.uniform(0, 6.3) + pace.turn * 3 * times)[:, None]
        bend = np.tile(np.eye(3), (len(times), 1, 1))
        bend[:, 2, :2] = tilt
        matrices = matrices @ bend
    return matrices


def camera_motion(rng: Rng, times: NDArray[np.float64], size: int, pace: Pace) -> Matrices:
    """Return camera matrices [T,3,3]: smooth pan, zoom and roll around the frame centre, plus shake."""
    reach = size * rng.uniform(0.05, 0.3)
    rate = min(0.9, pace.step * size / reach) * rng.uniform(0.2, 1.0)
    phases = rng.uniform(0, 6.3, 4)
    shake = rng.normal(0, pick(rng, (0.0, 0.3, 1.2), (0.5, 0.3, 0.2)), (2, len(times)))
    x = reach * np.sin(phases[0] + rate * times) + shake[0]
    y = 0.6 * reach * np.sin(phases[1] + rate * times) + shake[1]
    zoom = np.exp(rng.uniform(0, 0.2) * np.sin(phases[2] + rate * times))
    roll = rng.normal(0, 0.06) * np.sin(phases[3] + rate * times)
    half = size / 2
    centre = np.array([[1, 0, -half], [0, 1, -half], [0, 0, 1.0]])
    start = np.array([x[0], y[0]]) * rng.uniform(0, 1)
    return compose(half + x - start[0], half + y - start[1], zoom, roll) @ centre


def still(frames: int) -> Matrices:
    """Return identity matrices [T,3,3]."""
    return np.tile(np.eye(3), (frames, 1, 1))


def translation(dx: float, dy: float) -> NDArray[np.float64]:
    """Return one 3x3 translation."""
    return np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1.0]])


@dataclass
class Elastic:
    """A smooth displacement field that sways over time."""

    amplitude: float
    rate: float
    waves: NDArray[np.float64]  # [K, 4]: kx, ky (cycles per picture), phase of x, phase of y

    @staticmethod
    def sample(rng: Rng, pace: Pace) -> Elastic:
        """Draw a deformation; faster clips deform faster."""
        waves = np.concatenate([rng.normal(0, 0.9, (3, 2)), rng.uniform(0, 6.3, (3, 2))], axis=1)
        return Elastic(float(rng.uniform(1.5, 9.0)), float(rng.uniform(1, 5)) * pace.step + 0.05, waves)

    def apply(self, picture: NDArray[np.uint8], time: float) -> NDArray[np.uint8]:
        """Deform a picture [h,w,4] at a given time."""
        height, width = picture.shape[:2]
        field = np.zeros((9, 9, 2), np.float32)
        for kx, ky, px, py in self.waves.tolist():
            base = kx * _COARSE[None, :] + ky * _COARSE[:, None] + np.float32(self.rate * TURN * time)
            field[..., 0] += np.sin(base + np.float32(px))
            field[..., 1] += np.sin(base + np.float32(py))
        field *= self.amplitude / 2 * width / 128
        moved = cv2.add(cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR), _grid(height, width))
        return cv2.remap(picture, moved, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


_COARSE = np.linspace(0, TURN, 9, dtype=np.float32)


@functools.cache
def _grid(height: int, width: int) -> NDArray[np.float32]:
    """Return the coordinates of every pixel, float32 [height, width, 2] as (x, y)."""
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.dstack([xs, ys])
