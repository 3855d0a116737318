"""Drawn clips: coloured shapes on a soft background, deterministic, at the size of the model so that no resizing is involved.

What a shape is made of decides what an aimed network (`aim_detector`, `aim_tracker`) makes of it:

- its *kind* (hue and outline) is what phrases name;
- its *light*, how far it is from grey, decides how well the detector sees it: 1 surely, 0.75 barely, 0.5 not at all. The tracker
  does not care.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

KINDS = 3
"""Kind 2 is the twin: the detector reports a single one of it twice (without mask NMS both become objects), the second time only
its core where it has one. Two tracks of quite the same mask would be told apart by nothing but rounding."""
TWIN = 2
_CORE_COLOUR = np.array([185, 130, 245], dtype=np.float32)
_CORE_SIZE = 0.65
_SIGNAL_COLOUR = np.array([120, 20, 110], dtype=np.float32)
_SIGNAL_WIDTH = 0.06
"""Of a border all around, so that every query of a detector hears of it: of a small spot in the middle few did."""
_COLOURS = np.array([[235, 60, 50], [60, 200, 80], [70, 110, 245]], dtype=np.float32)
_GREY = 70
"""Of what has no light. It is not much darker than colours, since brightness is what the tracker finds edges by."""
MIN_VISIBILITY = 0.35
"""Share of a shape that has to be visible for it to count as present."""


@dataclass
class Actor:
    """One shape of a clip."""

    kind: int
    path: Callable[[int], tuple[float, float]]
    """Frame index → centre, relative to the frame."""
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
    """bool [actors, S, S], the visible pixels of what the second report of a twin is about"""
    signalled: bool


@dataclass
class Scene:
    size: int
    actors: list[Actor]
    background: np.ndarray
    occluders: list[Actor] = field(default_factory=list)
    """Grey shapes in front of everything, which nothing is asked to find."""
    occluder_shade: int = 165
    signal: Callable[[int], bool] = lambda frame: False
    """When the picture has a purple border, upon which the detector also reports the first two kinds as one thing."""


def soft_background(size: int, rng: np.random.Generator, shades: tuple[float, float] = (60, 120)) -> np.ndarray:
    """uint8 [S, S, 3]: a slow change between two dull colours, no noise, so that clips compress."""
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
    """Pixels of the whole outline, wherever it is."""
    return int(_outline(actor.kind, (0.5, 0.5), actor.radius, size).sum())
