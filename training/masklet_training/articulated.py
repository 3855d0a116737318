"""Articulated objects: joined parts with different surfaces that move against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .library import Photo, SpriteLibrary
from .motion import Pace
from .render import Part
from .sampling import pick
from .shapes import SIZE, blob_mask, jagged_mask, polygon_mask, with_alpha
from .textures import any_colour, plain, shade, surface

Array = NDArray[np.uint8]
Rng = np.random.Generator


@dataclass
class Bone:
    """One part of a skeleton, in actor units (pixels of a 128-pixel picture, centred on 0).

    The part is attached at ``joint``, in its parent's frame, whose origin is the parent's pivot. It extends
    ``length`` along its own x axis and ``width`` across. ``angle`` is its resting direction in radians, ``swing`` the
    amplitude of its motion, ``phase`` the phase. ``centred``: the pivot is its middle instead of its end.
    """

    parent: int
    joint: tuple[float, float]
    length: float
    width: float
    angle: float
    swing: float
    phase: float
    texture: int = 0
    form: str = "capsule"
    centred: bool = False
    spin: float = 0.0


def _capsule(length: float, width: float) -> Array:
    """Return the mask of a rounded bar filling a picture of the given proportions."""
    scale = SIZE / max(length, width)
    w, h = max(6, round(length * scale)), max(6, round(width * scale))
    mask = np.zeros((h, w), np.uint8)
    radius = max(1, min(w, h) // 2 - 1)
    if w >= h:
        cv2.line(mask, (radius + 1, h // 2), (w - radius - 2, h // 2), 255, 2 * radius, cv2.LINE_AA)
    else:
        cv2.line(mask, (w // 2, radius + 1), (w // 2, h - radius - 2), 255, 2 * radius, cv2.LINE_AA)
    return mask


def _part_mask(rng: Rng, bone: Bone) -> Array:
    """Return the mask of a bone, its picture being ``length`` x ``width`` in proportion."""
    if bone.form == "capsule":
        return _capsule(bone.length, bone.width)
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    circle = 0.5 + 0.48 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if bone.form == "ellipse":
        mask = polygon_mask(circle)
    elif bone.form == "blob":
        mask = blob_mask(rng, 0.25)
    elif bone.form == "jagged":
        mask = jagged_mask(rng)
    else:
        mask = polygon_mask(np.array([[0.02, 0.02], [0.98, 0.02], [0.98, 0.98], [0.02, 0.98]]))
    ratio = bone.width / bone.length
    size = (SIZE, max(6, round(SIZE * ratio))) if ratio <= 1 else (max(6, round(SIZE / ratio)), SIZE)
    return cv2.resize(mask, size, interpolation=cv2.INTER_AREA)


def walker(rng: Rng) -> list[Bone]:
    """A body on legs with head and perhaps a tail: quadruped-like."""
    body_l, body_w = rng.uniform(56, 80), rng.uniform(24, 42)
    leg_l, leg_w = rng.uniform(26, 50), rng.uniform(4, 11)
    swing, phase = rng.uniform(0.2, 0.7), rng.uniform(0, 6.3)
    legs = [
        Bone(-1, (x, body_w * 0.3), leg_l, leg_w, np.pi / 2, swing, phase + p, texture)
        for x, p, texture in (
            (-body_l * 0.36, 0.0, 1),
            (body_l * 0.34, 2.6, 1),
            (-body_l * 0.28, 3.1, int(rng.integers(1, 3))),
            (body_l * 0.38, 5.7, 1),
        )
    ]
    body = Bone(-1, (0, 0), body_l, body_w, 0.0, 0.05, 0.0, 0, "ellipse", centred=True)
    neck = (body_l * 0.42, -body_w * 0.3)
    head = Bone(4, neck, rng.uniform(22, 36), rng.uniform(16, 26), -0.5, 0.3, rng.uniform(0, 6.3), 2, "ellipse")
    bones = [*legs[:2], *legs[2:], body, head]
    if rng.random() < 0.7:
        bones.append(Bone(4, (-body_l * 0.45, -4), rng.uniform(20, 45), rng.uniform(3, 8), -2.6, 0.6, 1.0, 3))
    return bones


def biped(rng: Rng) -> list[Bone]:
    """Torso, head, arms and legs in different clothes: person-like."""
    torso_l, torso_w = rng.uniform(36, 48), rng.uniform(20, 30)
    leg_l, leg_w = rng.uniform(38, 52), rng.uniform(8, 13)
    swing, phase = rng.uniform(0.2, 0.8), rng.uniform(0, 6.3)
    torso = Bone(-1, (0, 8), torso_l, torso_w, -np.pi / 2, 0.08, phase, 0, "capsule")
    return [
        Bone(-1, (-torso_w * 0.2, 4), leg_l, leg_w, np.pi / 2, swing, phase, 1),
        Bone(-1, (torso_w * 0.2, 4), leg_l, leg_w, np.pi / 2, swing, phase + np.pi, 1),
        Bone(3, (torso_l * 0.85, -torso_w * 0.4), leg_l * 0.8, leg_w * 0.7, np.pi, swing, phase + 3.0, 2),
        torso,
        Bone(3, (torso_l + 6, 0), 22, 19, 0.0, 0.2, phase, 3, "ellipse", centred=True),
        Bone(3, (torso_l * 0.85, torso_w * 0.4), leg_l * 0.8, leg_w * 0.7, np.pi, swing, phase, 2),
    ]


def roller(rng: Rng) -> list[Bone]:
    """A body on turning wheels, perhaps with a rider or cabin."""
    body_l, body_w = rng.uniform(64, 96), rng.uniform(14, 32)
    wheel = rng.uniform(18, 30)
    y = body_w * 0.5
    spin = rng.uniform(0.3, 1.5)
    body = Bone(-1, (0, 0), body_l, body_w, 0.0, 0.03, 0.0, 0, pick(rng, ["box", "capsule", "blob"]), True)
    bones = [
        body,
        Bone(-1, (-body_l * 0.3, y), wheel, wheel, 0.0, 0.0, 0.0, 1, "ellipse", True, spin),
        Bone(-1, (body_l * 0.3, y), wheel, wheel, 0.0, 0.0, 0.0, 1, "ellipse", True, spin),
    ]
    form = pick(rng, ["box", "ellipse", "capsule"])
    bones.append(
        Bone(
            0,
            (rng.uniform(-0.2, 0.1) * body_l, -body_w * 0.4),
            rng.uniform(24, 44),
            rng.uniform(16, 36),
            -np.pi / 2,
            0.1,
            0.0,
            2,
            form,
        )
    )
    if rng.random() < 0.5:
        bones.append(Bone(3, (30, 0), 18, 18, 0.0, 0.1, 1.0, 3, "ellipse", True))
    return bones


def random_tree(rng: Rng) -> list[Bone]:
    """Two to six parts joined at random."""
    forms = ("ellipse", "capsule", "blob", "box", "jagged")
    bones: list[Bone] = []
    for index in range(int(rng.integers(2, 7))):
        parent = -1 if index == 0 else int(rng.integers(0, index))
        thin = index > 0 and rng.random() < 0.4
        length = rng.uniform(28, 70)
        width = rng.uniform(4, 10) if thin else length * rng.uniform(0.4, 1.0)
        joint = (0.0, 0.0)
        if index > 0:
            owner = bones[parent]
            reach = 0.35 if owner.centred else 0.9
            joint = (owner.length * rng.uniform(-0.2, 1.0) * reach, owner.width * rng.uniform(-0.35, 0.35))
        form = "capsule" if thin else pick(rng, forms)
        bones.append(
            Bone(
                parent,
                joint,
                length,
                width,
                rng.uniform(0, 6.3),
                rng.uniform(0.1, 0.9),
                rng.uniform(0, 6.3),
                index,
                form,
                centred=index == 0,
            )
        )
    return bones


SKELETONS: tuple[Callable[[Rng], list[Bone]], ...] = (walker, biped, roller, random_tree)


def _swing_matrices(bone: Bone, times: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Return [T,3,3]: the bone's own frame relative to its parent's."""
    angles = bone.angle + bone.swing * np.sin(bone.phase + rate * times) + bone.spin * rate * times
    out = np.zeros((len(times), 3, 3))
    out[:, 0, 0] = out[:, 1, 1] = np.cos(angles)
    out[:, 1, 0] = np.sin(angles)
    out[:, 0, 1] = -out[:, 1, 0]
    out[:, 0, 2], out[:, 1, 2] = bone.joint
    out[:, 2, 2] = 1
    return out


def build_parts(rng: Rng, library: SpriteLibrary, times: NDArray[np.float64], pace: Pace, photo: Photo | None) -> list[Part]:
    """Return the parts of a random articulated object, in drawing order, centred on 0."""
    bones = pick(rng, SKELETONS, (0.28, 0.3, 0.14, 0.28))(rng)
    rate = rng.uniform(0.2, 1.0) + 8 * pace.step * rng.uniform(0.2, 1.2)
    if rng.random() < 0.15:
        rate = 0.0
    surfaces = [_surface(rng, library, photo) for _ in range(1 + max(b.texture for b in bones))]
    flip = np.diag([pick(rng, (-1.0, 1.0)), 1.0, 1.0])
    frames: dict[int, NDArray[np.float64]] = {-1: np.tile(flip, (len(times), 1, 1))}
    for index in _parents_first(bones):
        bone = bones[index]
        frames[index] = frames[bone.parent] @ _swing_matrices(bone, times, float(rate))
    parts = []
    for index, bone in enumerate(bones):
        mask = _part_mask(rng, bone)
        height, width = mask.shape
        picture = with_alpha(np.ascontiguousarray(surfaces[bone.texture][:height, :width]), mask)
        scale = bone.length / width
        offset = width / 2 if bone.centred else min(width * 0.5, height * 0.5)
        pivot = np.array([[scale, 0, -offset * scale], [0, scale, -height / 2 * scale], [0, 0, 1]])
        parts.append(Part(picture, frames[index] @ pivot))
    return parts


def _surface(rng: Rng, library: SpriteLibrary, photo: Photo | None) -> Array:
    if rng.random() < 0.3:
        return shade(rng, plain(any_colour(rng), SIZE), 0.5)
    return shade(rng, surface(rng, library, SIZE, photo), float(rng.uniform(0, 0.8)))


def _parents_first(bones: list[Bone]) -> list[int]:
    order: list[int] = []
    while len(order) < len(bones):
        order += [i for i, b in enumerate(bones) if i not in order and (b.parent == -1 or b.parent in order)]
    return order


def extent(parts: list[Part]) -> tuple[float, float]:
    """Return the opaque area (actor units squared) and the longest side of an object at its first frame."""
    canvas = np.zeros((96, 96), np.uint8)
    zoom = np.array([[0.45, 0, 48], [0, 0.45, 48], [0, 0, 1]])
    for part in parts:
        matrix = (zoom @ part.place[0])[:2]
        warped = cv2.warpAffine(part.picture[..., 3], matrix, (96, 96))
        cv2.max(canvas, warped, dst=canvas)
    mask = cv2.inRange(canvas, 128, 255)
    _, _, width, height = cv2.boundingRect(mask)
    return cv2.countNonZero(mask) / 0.45**2, max(width, height, 20) / 0.45
