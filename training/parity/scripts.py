"""What happens in the recorded clips: thirty frames each, written so that every rule of the video pipelines has its moment."""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from .scene import Actor, Scene, TWIN, draw, soft_background

FRAMES = 30
_DARK = (12, 36)
"""Shades that every shape is brighter than, also a dim one, so that edges can be seen without remembering anything."""


def _line(start: tuple[float, float], end: tuple[float, float], bend: float = 0.0) -> Callable[[int], tuple[float, float]]:
    def path(frame: int) -> tuple[float, float]:
        t = frame / (FRAMES - 1)
        return (
            start[0] + (end[0] - start[0]) * t,
            start[1] + (end[1] - start[1]) * t + bend * np.sin(np.pi * t),
        )

    return path


@dataclass
class Script:
    name: str
    scene: Scene

    def frames(self) -> np.ndarray:
        """uint8 [FRAMES, S, S, 3]"""
        return np.stack([draw(self.scene, frame).rgb for frame in range(FRAMES)])

    def masks(self) -> np.ndarray:
        """bool [FRAMES, actors, S, S]"""
        return np.stack([draw(self.scene, frame).masks for frame in range(FRAMES)])


def crossing(size: int, rng: np.random.Generator) -> Script:
    """Two look-alikes whose ways cross, one shape that goes behind a screen, a twin, and one that comes late."""
    shift = rng.uniform(-0.03, 0.03, size=6)
    actors = [
        Actor(1, _line((0.15, 0.25 + shift[0]), (0.85, 0.3 + shift[1])), radius=0.14),
        Actor(1, _line((0.85, 0.3 + shift[2]), (0.15, 0.28 + shift[3])), radius=0.14),
        Actor(0, _line((0.14, 0.72 + shift[4]), (0.7, 0.74), bend=0.02), radius=0.15),
        Actor(TWIN, _line((0.84, 0.84), (0.8, 0.6 + shift[5])), radius=0.13, present=lambda f: f >= 4),
        Actor(0, _line((0.5, 0.5), (0.2, 0.5)), radius=0.12, present=lambda f: f >= 19),
    ]
    screen = Actor(1, lambda f: (0.42, 0.74), radius=0.2, present=lambda f: 9 <= f <= 14)
    return Script("crossing", Scene(size, actors, soft_background(size, rng, _DARK), [screen], screen_shade=24))


def ghosts(size: int, rng: np.random.Generator) -> Script:
    """Shapes that the detector stops seeing: one at once, one late; one it hardly sees; one that is gone for a while."""
    shift = rng.uniform(-0.03, 0.03, size=4)
    actors = [
        Actor(0, _line((0.2, 0.2 + shift[0]), (0.5, 0.25)), radius=0.15, light=lambda f: 1.0 if f < 3 else 0.5),
        Actor(1, _line((0.8, 0.75 + shift[1]), (0.45, 0.7)), radius=0.15, light=lambda f: 1.0 if f < 21 else 0.5),
        Actor(0, _line((0.2, 0.8), (0.25, 0.55 + shift[2])), radius=0.14, light=lambda f: 0.75),
        Actor(TWIN, _line((0.8, 0.2), (0.75, 0.4 + shift[3])), radius=0.14, present=lambda f: not 11 <= f <= 13),
    ]
    return Script("ghosts", Scene(size, actors, soft_background(size, rng, _DARK)))


def clicks(size: int, rng: np.random.Generator) -> Script:
    """Two look-alikes and one other, a screen in the way of one."""
    shift = rng.uniform(-0.03, 0.03, size=4)
    actors = [
        Actor(0, _line((0.2, 0.3 + shift[0]), (0.75, 0.3 + shift[1])), radius=0.16),
        Actor(0, _line((0.8, 0.6), (0.2, 0.62 + shift[2])), radius=0.16),
        Actor(TWIN, _line((0.5, 0.82), (0.6, 0.84 + shift[3])), radius=0.15),
    ]
    screen = Actor(1, lambda f: (0.5, 0.34), radius=0.2, present=lambda f: 10 <= f <= 15)
    return Script("clicks", Scene(size, actors, soft_background(size, rng), [screen]))
