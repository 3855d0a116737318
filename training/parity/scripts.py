"""Scripts of the recorded clips: thirty frames each, designed so that every rule of the video pipelines is applied."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .scene import TWIN, Actor, Scene, draw, soft_background

FRAMES = 30
SHOWN = [[0.15, 0.25, 0.28, 0.28], [0.84, 0.3, 0.28, 0.28]], [1, 0]
"""A positive and a negative box on the first frame of `apart` (centre, width and height), and their labels"""
_DARK = (6, 18)
"""Shades darker than every shape, even unsaturated ones, so that edges are visible without memory"""


def _line(start: tuple[float, float], end: tuple[float, float], bend: float = 0.0) -> Callable[[int], tuple[float, float]]:
    def path(frame: int) -> tuple[float, float]:
        t = frame / (FRAMES - 1)
        return (
            start[0] + (end[0] - start[0]) * t,
            start[1] + (end[1] - start[1]) * t + bend * np.sin(np.pi * t),
        )

    return path


def _beside(path: Callable[[int], tuple[float, float]], by: np.ndarray) -> Callable[[int], tuple[float, float]]:
    return lambda frame: (path(frame)[0] + by[0], path(frame)[1] + by[1])


@dataclass
class Script:
    name: str
    scene: Scene

    def jittered(self, rng: np.random.Generator) -> "Script":
        """A variant with each shape moved by about a pixel"""
        actors = [replace(actor, path=_beside(actor.path, rng.uniform(-0.012, 0.012, size=2))) for actor in self.scene.actors]
        return replace(self, scene=replace(self.scene, actors=actors))

    def frames(self) -> np.ndarray:
        """uint8 [FRAMES, S, S, 3]"""
        return np.stack([draw(self.scene, frame).rgb for frame in range(FRAMES)])

    def masks(self) -> np.ndarray:
        """bool [FRAMES, actors, S, S]"""
        return np.stack([draw(self.scene, frame).masks for frame in range(FRAMES)])


def apart(size: int, rng: np.random.Generator) -> Script:
    """One shape of each kind in its own part of the frame, so that three objects stay. The twin passes behind an
    occluder.
    """
    shift = rng.uniform(-0.03, 0.03, size=6)
    actors = [
        Actor(0, _line((0.2, 0.25 + shift[0]), (0.34, 0.22 + shift[1])), radius=0.12),
        Actor(1, _line((0.8, 0.3 + shift[2]), (0.74, 0.22 + shift[3])), radius=0.13),
        Actor(TWIN, _line((0.24, 0.76 + shift[4]), (0.6, 0.77 + shift[5])), radius=0.12, has_core=True),
    ]
    occluder = Actor(1, lambda f: (0.4, 0.77), radius=0.24, present=lambda f: 9 <= f <= 11)
    return Script("apart", Scene(size, actors, soft_background(size, rng, _DARK), [occluder], occluder_shade=24))


def paired(size: int, rng: np.random.Generator) -> Script:
    """Like `apart`, but for a while the first two shapes are also reported as one detection. Both tracks match it, and
    the younger one is a duplicate.
    """
    script = apart(size, rng)
    return replace(script, name="paired", scene=replace(script.scene, signal=lambda f: 1 <= f <= 13))


def ghosts(size: int, rng: np.random.Generator) -> Script:
    """A shape that the detector soon loses, a shape that it barely detects at first, and a twin. The last two disappear
    for a while.
    """
    shift = rng.uniform(-0.03, 0.03, size=4)
    actors = [
        Actor(0, _line((0.22, 0.24 + shift[0]), (0.26, 0.3)), radius=0.12, saturation=lambda f: 1.0 if f < 5 else 0.5),
        Actor(
            1, _line((0.76, 0.18), (0.72, 0.22 + shift[1])), radius=0.13, saturation=lambda f: 0.6 if f < 6 else 1.0,
            present=lambda f: not 10 <= f <= 11,
        ),
        Actor(
            TWIN, _line((0.7 + shift[2], 0.82), (0.72 + shift[3], 0.76)), radius=0.12, present=lambda f: not 14 <= f <= 16,
            has_core=True,
        ),
    ]  # fmt: skip
    return Script("ghosts", Scene(size, actors, soft_background(size, rng, _DARK)))


def parting(size: int, rng: np.random.Generator) -> Script:
    """Two touching shapes that separate; late in the clip one disappears for good. When the clip is played from the
    middle and then backwards, the rule suppresses the other shape: backwards, the shape that was never occluded
    yields to the one that was.
    """
    shift = rng.uniform(-0.03, 0.03, size=2)
    away = lambda f: 0.2 * min(f, 10) / 10  # noqa: E731
    actors = [
        Actor(0, lambda f: (0.42 + shift[0] - away(f), 0.5), radius=0.13, present=lambda f: f < 19),
        Actor(1, lambda f: (0.58 + shift[1] + away(f), 0.5), radius=0.13),
    ]
    return Script("parting", Scene(size, actors, soft_background(size, rng, _DARK)))


def clicks(size: int, rng: np.random.Generator) -> Script:
    """Two shapes of equal appearance and a different one; an occluder hides one of them."""
    shift = rng.uniform(-0.03, 0.03, size=4)
    actors = [
        Actor(0, _line((0.2, 0.3 + shift[0]), (0.75, 0.3 + shift[1])), radius=0.16),
        Actor(0, _line((0.8, 0.6), (0.2, 0.62 + shift[2])), radius=0.16),
        Actor(TWIN, _line((0.5, 0.82), (0.6, 0.84 + shift[3])), radius=0.15),
    ]
    occluder = Actor(1, lambda f: (0.5, 0.34), radius=0.2, present=lambda f: 10 <= f <= 15)
    return Script("clicks", Scene(size, actors, soft_background(size, rng), [occluder]))
