"""Measures how well a pack detects phrases, through the server, on generated clips with ground truth.

    python -m masklet_training.evaluate_phrases --sprites .cache/sprites.npz --clips 8

Every clip shows plain shapes and emoji that cross each other. Apart from the pictures, it shares no code with the
training generator. The clip is encoded and tracked by `masklet track --text` once per phrase: phrases of objects in
the clip, near misses (the colour of one object with the shape of another), and unrelated phrases.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from parity.rle import decode

from .calibrate import mask_iou
from .library import SpriteLibrary
from .vocabulary import COLOURS, PHRASE_SET, SHAPE_MAYBE, SHAPE_NAMES

FFMPEG = next(Path(__file__).parents[2].glob("node_modules/@ffmpeg-installer/*/ffmpeg"), "ffmpeg")
SIZES = ((640, 360), (480, 360), (360, 480), (400, 400))  # width, height
FRAMES = 30
NO_OBJECTS = 3  # exit status of `masklet track` when no frame has an object
VISIBLE = 0.5  # share of an object that must be visible for its mask to count
FOUND_IOU = 0.5  # mask IoU from which an instance counts as found
RGB = {
    "red": (220, 40, 40), "orange": (245, 140, 20), "yellow": (245, 220, 40), "green": (40, 160, 60),
    "blue": (40, 80, 220), "purple": (130, 50, 170), "pink": (250, 140, 190), "brown": (120, 75, 40),
    "black": (20, 20, 20), "white": (250, 250, 250), "gray": (128, 128, 128), "cyan": (40, 210, 220),
}  # fmt: skip
BACKGROUNDS = ((235, 235, 228), (60, 66, 80), (170, 190, 205), (205, 195, 170))
OUTLINES = {"circle": 48, "triangle": 3, "square": 4, "pentagon": 5, "hexagon": 6}  # corners of a regular outline
PLAIN_SHAPES = (*OUTLINES, "rectangle", "star", "diamond", "ring", "cross", "heart")


@dataclass
class MovingObject:
    """One moving object: its picture and alpha at full size, its phrases and its debatable phrases"""

    picture: np.ndarray
    """uint8 [h,w,3] RGB"""
    alpha: np.ndarray
    """float32 [h,w] in 0..1"""
    phrases: set[str]
    maybe: set[str]
    start: tuple[float, float]
    end: tuple[float, float]


def outline(shape: str, radius: float) -> list[np.ndarray]:
    """Polygons of a shape around 0,0; the second one is a hole."""

    def regular(corners: int, size: float, turn: float) -> np.ndarray:
        angles = np.arange(corners) * 2 * np.pi / corners + turn
        return np.stack([np.cos(angles), np.sin(angles)], 1) * size

    if shape == "square":
        return [regular(4, radius, np.pi / 4)]
    if shape in OUTLINES:
        return [regular(OUTLINES[shape], radius, -np.pi / 2)]
    if shape == "diamond":
        return [regular(4, radius, 0) * (0.7, 1.0)]
    if shape == "rectangle":
        return [regular(4, radius * 1.1, np.pi / 4) * (1.2, 0.65)]
    if shape == "ring":
        return [regular(48, radius, 0), regular(48, radius * 0.55, 0)]
    if shape == "star":
        points = regular(10, radius, -np.pi / 2)
        points[1::2] *= 0.42
        return [points]
    if shape == "cross":
        a, b = 0.33, 1.0
        corners = [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a)]
        return [np.array(corners) * radius * 0.9]
    t = np.linspace(0, 2 * np.pi, 64)
    heart = np.stack([16 * np.sin(t) ** 3, -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))], 1)
    return [heart / 17 * radius]


def draw_shape(shape: str, colour: str, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Picture and alpha of a shape, drawn at four times the size and shrunk."""
    side = int(radius * 2.6)
    canvas = np.zeros((side * 4, side * 4), np.uint8)
    for index, polygon in enumerate(outline(shape, radius)):
        cv2.fillPoly(canvas, [np.round((polygon + side / 2) * 4).astype(np.int32)], 0 if index else 255)
    alpha = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.broadcast_to(np.array(RGB[colour], np.uint8), (side, side, 3)), alpha


def shape_object(shape: str, colour: str, radius: float, path: tuple) -> MovingObject:
    names = SHAPE_NAMES[shape]
    maybe = SHAPE_MAYBE.get(shape, ())
    picture, alpha = draw_shape(shape, colour, radius)
    both = lambda words: {*words, *(f"{colour} {word}" for word in words)}  # noqa: E731
    return MovingObject(picture, alpha, both(names), both(maybe), *path)


def emoji_object(rng: np.random.Generator, library: SpriteLibrary, radius: float, path: tuple) -> MovingObject:
    sprite, phrases, maybe = library.picture(rng, int(rng.choice(library.concepts)))
    side = int(radius * 2.2)
    sprite = cv2.resize(sprite, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    alpha = sprite[..., 3] / 255
    colour = sprite[..., :3] / np.maximum(alpha[..., None], 1e-3)  # sprites are premultiplied
    return MovingObject(colour.clip(0, 255).astype(np.uint8), alpha, set(phrases), set(maybe), *path)


def scene(rng: np.random.Generator, library: SpriteLibrary, width: int, height: int) -> tuple[np.ndarray, list[MovingObject]]:
    """A background uint8 [h,w,3] and six objects: two equal ones cross, two share a colour, two a shape."""
    ground = np.array(BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))], np.float32)
    shade = np.linspace(-25, 25, width)[None, :, None] * float(rng.random() < 0.5)
    background = np.broadcast_to((ground + shade).clip(0, 255), (height, width, 3)).astype(np.uint8)
    seen = [c for c in COLOURS if np.abs(np.array(RGB[c]) - ground).sum() > 150]
    one, two, three = (str(c) for c in rng.choice(seen, 3, replace=False))
    first, second, third = (str(s) for s in rng.choice(PLAIN_SHAPES, 3, replace=False))
    appearances = [(first, one), (first, one), (second, one), (first, two), (third, three)]
    order = rng.permutation(5)
    rows = [order[0], *order]  # the first two objects share a row
    objects = []
    for index, row in enumerate(rows):
        radius = float(rng.uniform(0.07, 0.11)) * min(width, height) * (1.0 if width >= height else 1.1)
        near, far = radius * 1.5, width - radius * 1.5
        x = float(rng.uniform(near, far))
        there = x + (1 if x < width / 2 else -1) * float(rng.uniform(0.25, 0.45)) * width
        y = (row + 0.5) / 5 * (height - 2.4 * radius) + 1.2 * radius
        path = ((x, y), (there, y + float(rng.normal(0, 0.03 * height))))
        if index < 2:  # these two equal objects meet in the middle
            path = ((near, y), (far, y + radius)) if index else ((far, y), (near, y))
        objects.append(shape_object(*appearances[index], radius, path) if index < 5 else emoji_object(rng, library, radius * 1.25, path))
    return background, objects


def render(background: np.ndarray, objects: list[MovingObject], at: float) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Frame uint8 [h,w,3], and the visible and the whole mask of each object, bool [h,w]; later objects are in front."""
    frame = background.astype(np.float32)
    whole, visible = [], []
    for each in objects:
        x, y = (a + (b - a) * at for a, b in zip(each.start, each.end))
        h, w = each.alpha.shape
        shift = np.float32([[1, 0, x - w / 2], [0, 1, y - h / 2]])
        size = (frame.shape[1], frame.shape[0])
        alpha = cv2.warpAffine(each.alpha, shift, size)
        picture = cv2.warpAffine(np.ascontiguousarray(each.picture), shift, size, borderMode=cv2.BORDER_REPLICATE)
        frame = frame * (1 - alpha[..., None]) + picture * alpha[..., None]
        mask = alpha > 0.5
        visible = [other & ~mask for other in visible] + [mask]
        whole.append(mask)
    return frame.clip(0, 255).astype(np.uint8), visible, whole


def track(command: list[str], video: Path, phrase: str) -> list[dict]:
    """The `outputs` of every frame"""
    completed = subprocess.run([*command, str(video), "--text", phrase, "--out", "-"], capture_output=True, text=True)
    if completed.returncode not in (0, NO_OBJECTS):
        raise RuntimeError(f"{phrase!r} in {video}: {completed.stderr.strip()[-500:]}")
    return [json.loads(line)["outputs"] for line in completed.stdout.splitlines()]


@dataclass
class Tally:
    """Per instance of a phrase: share of its visible frames on which it was found, mean IoU on these, whether its id was
    stable
    """

    instances: list[tuple[str, float, float, bool]]
    extras: list[float]
    """False objects per frame, for each present phrase"""
    absent: dict[str, float]
    """Objects per frame, for each absent phrase"""


def compare(frames: list[dict], masks: list[tuple[list, list]], objects: list[MovingObject], phrase: str, tally: Tally) -> None:
    instances = [k for k, each in enumerate(objects) if phrase in each.phrases]
    doubtful = [k for k, each in enumerate(objects) if phrase in each.maybe]
    overlaps: dict[int, list[float]] = {k: [] for k in instances}
    ids: dict[int, list[int]] = {k: [] for k in instances}
    extras = 0
    for outputs, (visible, whole) in zip(frames, masks, strict=True):
        found = [decode(mask) for mask in outputs["out_binary_masks"]]
        for k in instances:
            if visible[k].sum() < VISIBLE * whole[k].sum():
                continue
            scores = [mask_iou(mask, visible[k]) for mask in found]
            best = int(np.argmax(scores)) if scores else -1
            overlaps[k].append(scores[best] if scores else 0.0)
            apart = not any((near(whole[k]) & whole[other]).any() for other in instances if other != k)
            if apart and scores and scores[best] >= FOUND_IOU:  # while two instances overlap, either id is correct for their mask
                ids[k].append(outputs["out_obj_ids"][best])
        asked_for = [whole[k] for k in instances + doubtful]
        extras += sum(max((mask_iou(mask, other) for other in asked_for), default=0.0) < 0.3 for mask in found)
    for k in instances:
        each = np.array(overlaps[k])
        right = each >= FOUND_IOU
        kept = len(set(ids[k])) <= 1
        tally.instances.append((phrase, float(right.mean()), float(each[right].mean()) if right.any() else 0.0, kept))
    if instances:
        tally.extras.append(extras / len(frames))
    elif not doubtful:
        tally.absent[phrase] = extras / len(frames)


def near(mask: np.ndarray) -> np.ndarray:
    """A mask and its surroundings of a few pixels"""
    return cv2.dilate(mask.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0


def phrases_for(rng: np.random.Generator, objects: list[MovingObject]) -> list[str]:
    """Present phrases, near misses, and two unrelated phrases."""
    present = {p for each in objects for p in each.phrases}
    doubtful = {p for each in objects for p in each.maybe}
    nouns = sorted(p for p in present if " " not in p)
    named = sorted(p for p in present if " " in p and p.split()[0] in COLOURS)
    crossed = {f"{a.split()[0]} {b.split()[1]}" for a in named for b in named} - present - doubtful
    misses = [str(p) for p in rng.permutation(sorted(crossed & PHRASE_SET))[:4]]
    far = [str(p) for p in rng.permutation(sorted(PHRASE_SET - present - doubtful))[:2]]
    emoji = sorted(objects[-1].phrases)[:1]
    return [*(str(p) for p in rng.permutation(named)[:4]), *(str(p) for p in rng.permutation(nouns)[:2]), *emoji, *misses, *far]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", required=True)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--masklet", default="node ../clients/command/masklet.mjs track", help="tracking command")
    parser.add_argument("--ffmpeg", default=str(FFMPEG))
    parser.add_argument("--keep", type=Path, help="folder to keep the clips in")
    options = parser.parse_args()
    rng, library = np.random.default_rng(options.seed), SpriteLibrary(options.sprites, "val")
    folder = options.keep or Path(tempfile.mkdtemp(prefix="masklet-phrases-"))
    folder.mkdir(parents=True, exist_ok=True)
    all_instances, all_extras, all_absent = [], [], []
    for number in range(options.clips):
        width, height = SIZES[number % len(SIZES)]
        background, objects = scene(rng, library, width, height)
        frames = [render(background, objects, t / (FRAMES - 1)) for t in range(FRAMES)]
        video = folder / f"clip{number}.mp4"
        encode(options.ffmpeg, video, [frame for frame, _, _ in frames])
        tally = Tally([], [], {})
        for phrase in phrases_for(rng, objects):
            outputs = track(options.masklet.split(), video, phrase)
            compare(outputs, [(visible, whole) for _, visible, whole in frames], objects, phrase, tally)
        for phrase, share, overlap, kept in tally.instances:
            if share < 0.9 or not kept:
                print(f"  {video.name}: {phrase}: found on {share:.0%} of frames, IoU {overlap:.2f}, id {'kept' if kept else 'changed'}")
        wrong = {phrase: round(count, 2) for phrase, count in tally.absent.items() if count}
        print(
            f"{video.name}: extras {np.mean(tally.extras):.2f} a frame, absent but found: {wrong or 'none'} of {len(tally.absent)}",
            flush=True,
        )
        all_instances += tally.instances
        all_extras += tally.extras
        all_absent += tally.absent.values()
    shares, overlaps = np.array([i[1] for i in all_instances]), np.array([i[2] for i in all_instances])
    print(
        f"{len(all_instances)} instances: found on {shares.mean():.3f} of their frames (on nine tenths: {(shares >= 0.9).mean():.3f}),"
        f" IoU {overlaps[shares > 0].mean():.3f} (worst {overlaps[shares > 0].min():.2f}), ids kept {np.mean([i[3] for i in all_instances]):.3f};"
        f" extras {np.mean(all_extras):.3f} a frame; absent phrases that found something: {np.sum(np.array(all_absent) > 0)} of {len(all_absent)}"
    )


def encode(ffmpeg: str, video: Path, frames: list[np.ndarray]) -> None:
    """Writes frames uint8 [h,w,3] as H.264."""
    h, w = frames[0].shape[:2]
    command = [ffmpeg, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{w}x{h}", "-r", "25", "-i", "-"]
    data = b"".join(frame.tobytes() for frame in frames)
    subprocess.run([*command, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "20", str(video)], input=data, check=True)


if __name__ == "__main__":
    main()
