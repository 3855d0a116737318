"""Generated clips: coloured shapes on a soft background, deterministic, at the model's input size, so that no resizing
is involved.

A shape's attributes determine the output of a fitted network (`fit_detector`, `fit_tracker`):

- Phrases refer to its *kind* (hue and outline).
- Its *saturation* determines the detection score: 1 is detected with confidence, 0.75 barely, 0.5 not at all. The
  tracker ignores it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

KINDS = 3
"""Kind 2 is the twin: the detector reports a single instance twice (without mask NMS both become objects). The second
report covers only its core, if it has one; otherwise rounding alone would distinguish the two tracks.
"""
TWIN = 2
_CORE_COLOUR = np.array([185, 130, 245], dtype=np.float32)
_CORE_SIZE = 0.65
_SIGNAL_COLOUR = np.array([120, 20, 110], dtype=np.float32)
_SIGNAL_WIDTH = 0.06
"""Width of a border on all sides, so that it affects every query of a detector. A small spot in the middle affected few."""
_COLOURS = np.array([[235, 60, 50], [60, 200, 80], [70, 110, 245]], dtype=np.float32)
_GREY = 70
"""Level of a shape with saturation 0. It is not much darker than the colours, because the tracker finds edges by
brightness.
"""
MIN_VISIBILITY = 0.35
"""Share of a shape that has to be visible for the shape to count as present"""


@dataclass
class Actor:
    """One shape of a clip."""

    kind: int
    path: Callable[[int], tuple[float, float]]
    """Frame index → centre, relative to the frame"""
    radius: float = 0.14
    saturation: Callable[[int], float] = lambda frame: 1.0
    present: Callable[[int], bool] = lambda frame: True
    has_core: bool = False
    """Whether its middle has a tone of its own"""


@dataclass
class Picture:
    rgb: np.ndarray
    """uint8 [S, S, 3]"""
    masks: np.ndarray
    """bool [actors, S, S], the visible pixels of each actor"""
    visibility: np.ndarray
    """float [actors], visible share of each actor's full outline"""
    saturations: np.ndarray
    cores: np.ndarray
    """bool [actors, S, S], the visible pixels of a twin's second report"""
    signalled: bool


@dataclass
class Scene:
    size: int
    actors: list[Actor]
    background: np.ndarray
    occluders: list[Actor] = field(default_factory=list)
    """Grey shapes in front of all actors, which are never detected"""
    occluder_shade: int = 165
    signal: Callable[[int], bool] = lambda frame: False
    """Frames with a purple border, on which the detector also reports the first two kinds as one object"""


def soft_background(size: int, rng: np.random.Generator, shades: tuple[float, float] = (60, 120)) -> np.ndarray:
    """A smooth gradient between two dull colours, without noise, so that clips compress: uint8 [S, S, 3]"""
    ends = rng.uniform(*shades, size=(2, 1, 1, 1)) + rng.uniform(-8, 8, size=(2, 1, 1, 3))
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    share = (np.cos(angle) * x + np.sin(angle) * y + 0.75)[..., None] / 1.5
    return (ends[0] * (1 - share) + ends[1] * share).astype(np.uint8)


def _outline(kind: int, centre: tuple[float, float], radius: float, size: int) -> np.ndarray:
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size
    dx, dy = x - centre[0], y - centre[1]
    if kind % 3 == 0:
        return dx * dx + dy * dy < radius * radius
    if kind % 3 == 1:
        return np.maximum(abs(dx), abs(dy)) < 0.86 * radius
    return abs(dx) + abs(dy) < 1.2 * radius


def draw(scene: Scene, frame: int) -> Picture:
    """Later actors cover earlier ones."""
    size = scene.size
    rgb = scene.background.astype(np.float32).copy()
    signalled = scene.signal(frame)
    if signalled:
        rgb[~_outline(1, (0.5, 0.5), (0.5 - _SIGNAL_WIDTH) / 0.86, size)] = _SIGNAL_COLOUR
    full = np.zeros((len(scene.actors), size, size), dtype=bool)
    masks, cores = np.zeros_like(full), np.zeros_like(full)
    saturations = np.zeros(len(scene.actors))
    for index, actor in enumerate(scene.actors):
        saturations[index] = actor.saturation(frame)
        if not actor.present(frame):
            continue
        outline = _outline(actor.kind, actor.path(frame), actor.radius, size)
        full[index] = outline
        masks[:, outline] = False
        masks[index] = outline
        rgb[outline] = _COLOURS[actor.kind] * saturations[index] + _GREY * (1 - saturations[index])
        cores[index] = outline
        if actor.has_core:
            cores[index] = _outline(actor.kind, actor.path(frame), _CORE_SIZE * actor.radius, size)
            rgb[cores[index]] = _CORE_COLOUR * saturations[index] + _GREY * (1 - saturations[index])
    for occluder in scene.occluders:
        if not occluder.present(frame):
            continue
        outline = _outline(1, occluder.path(frame), occluder.radius, size)
        masks[:, outline] = False
        rgb[outline] = scene.occluder_shade
    area = np.maximum(np.array([_disc(actor, size) for actor in scene.actors]), 1)
    return Picture(rgb.round().astype(np.uint8), masks, masks.sum((1, 2)) / area, saturations, cores & masks, signalled)


def _disc(actor: Actor, size: int) -> int:
    """Number of pixels of the whole outline, independent of its position"""
    return int(_outline(actor.kind, (0.5, 0.5), actor.radius, size).sum())
