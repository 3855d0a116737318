"""Converts generated clips to fixed-shape training arrays, in a background process."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
import torch.multiprocessing as mp

from .clips import Clip, ClipGenerator, ClipObject
from .named import PICTURES
from .tokenizer import build_tokenizer
from .vocabulary import ALL_PHRASES

PHRASE_WORDS = 6  # tokens; no phrase of the vocabulary has more
POINTS = 4  # prompt slots per object; unused ones carry label -10
PADDING = -10
MIN_NAMED_SHARE = 0.0025  # smallest share of the frame at which an object can be recognised


@dataclass(frozen=True)
class BatchShape:
    """Size and composition of one process's training step"""

    size: int = 192
    frames: int = 3
    track_clips: int = 2
    named_clips: int = 1
    stills: int = 8  # single named frames: variety of phrases matters more than motion
    objects: int = 6  # tracked objects in the whole batch
    outlined: int = 6  # objects on stills that are segmented from a prompt
    rows: int = 20  # (frame, concept) pairs for the detector
    instances: int = 6  # per row
    text_length: int = 16
    shapes: bool = False  # whether frames have the aspect ratios of videos
    pictures: float = PICTURES  # share of pictures among named objects


# Long clips for tracking only: as many frames as a full memory bank holds.
LONG = dict(frames=8, track_clips=2, named_clips=0, stills=0, objects=5)
# Named stills only, for the detector.
STILLS = dict(track_clips=0, named_clips=0, stills=14, rows=42)
# Named stills only, for the namer, with few rows for the detector.
LOOKS = dict(track_clips=0, named_clips=0, stills=14, rows=28)


@dataclass(frozen=True)
class LabelledFrame:
    """A frame with labels: its index in the step's frames, ids uint8 [H,W], and its objects"""

    frame: int
    ids: np.ndarray
    objects: list[ClipObject]


def phrase_tokens() -> tuple[np.ndarray, np.ndarray]:
    """All phrases of the vocabulary as ids and attention mask, int32 [phrases, PHRASE_WORDS]."""
    tokenizer = build_tokenizer()
    ids = np.zeros((len(ALL_PHRASES), PHRASE_WORDS), np.int32)
    for row, phrase in enumerate(ALL_PHRASES):
        tokens = tokenizer.encode(phrase).ids
        ids[row, : len(tokens)] = tokens
    return ids, (ids > 0).astype(np.int32)


def soft_mask(ids: np.ndarray, value: int, side: int) -> np.ndarray:
    """Share of each stride-4 cell that object `value` covers. ids uint8 [H,W] → float32 [side,side] in 0..1."""
    return cv2.resize((ids == value).astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)


def box_of(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Tight xyxy box of a non-empty bool mask, 0..1."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    h, w = mask.shape
    return xs[0] / w, ys[0] / h, (xs[-1] + 1) / w, (ys[-1] + 1) / h


def inner_point(rng: np.random.Generator, mask: np.ndarray) -> tuple[float, float]:
    """A pixel well inside a bool mask, like a user's click: weighted by distance to the outline. 0..1 (x, y)."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3).ravel()
    cumulative = np.cumsum(depth)
    index = int(np.searchsorted(cumulative, rng.random() * cumulative[-1]))
    h, w = mask.shape
    y, x = divmod(min(index, h * w - 1), w)
    return (x + 0.5) / w, (y + 0.5) / h


def prompt_for(rng: np.random.Generator, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """A random prompt for a visible object: points [POINTS,2], labels [POINTS], and whether it is a single click."""
    points = np.zeros((POINTS, 2), np.float32)
    labels = np.full(POINTS, PADDING, np.int32)
    used = 0
    kind = rng.random()
    if kind < 0.65:  # a box with random error
        x0, y0, x1, y1 = box_of(mask)
        w, h = x1 - x0, y1 - y0
        shake = rng.normal(0, 0.03, 4) * (w, h, w, h)
        points[0] = np.clip((x0 + shake[0], y0 + shake[1]), 0, 1)
        points[1] = np.clip((x1 + shake[2], y1 + shake[3]), 0, 1)
        labels[:2] = (2, 3)
        used = 2
    clicks = 0 if kind < 0.55 else (1 if kind < 0.85 else 2)
    for _ in range(clicks):
        points[used] = inner_point(rng, mask)
        labels[used] = 1
        used += 1
    if used < POINTS and kind > 0.9:
        outside = ~mask
        if outside.any():
            near = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
            ring = near & outside
            points[used] = inner_point(rng, ring if ring.any() else outside)
            labels[used] = 0
    return points, labels, 0.65 <= kind < 0.85


def tracked_objects(rng: np.random.Generator, clips: list[Clip], shape: BatchShape) -> dict[str, np.ndarray]:
    """Picks objects that are visible on the first frame and builds their targets and prompts."""
    side = shape.size // 4
    choices = []
    for index, clip in enumerate(clips):
        counts = np.bincount(clip.ids[0].ravel(), minlength=len(clip.objects) + 1)[1:]
        visible = [k for k in np.flatnonzero(counts > 0.004 * clip.ids[0].size)]
        rng.shuffle(visible)
        choices += [(rank, index, int(k)) for rank, k in enumerate(visible)]
    # First one object of every clip, then second ones; repeat if there are too few.
    choices.sort(key=lambda c: (c[0], rng.random()))
    while 0 < len(choices) < shape.objects:
        choices += choices
    b = shape.objects
    out: dict[str, np.ndarray] = {
        "clip": np.zeros(b, np.int64),
        "mask": np.zeros((b, shape.frames, side, side), np.float32),
        "visible": np.zeros((b, shape.frames), np.float32),
        "points": np.zeros((b, POINTS, 2), np.float32),
        "labels": np.full((b, POINTS), PADDING, np.int32),
        "single": np.zeros(b, np.float32),
        "later_points": np.zeros((b, shape.frames, 1, 2), np.float32),
        "later_labels": np.full((b, shape.frames, 1), -1, np.int32),
    }
    for row, (_, index, k) in enumerate(choices[:b]):
        clip = clips[index]
        out["clip"][row] = index
        for t in range(shape.frames):
            mask = clip.ids[t] == k + 1
            out["mask"][row, t] = soft_mask(clip.ids[t], k + 1, side)
            out["visible"][row, t] = float(mask.sum() >= 0.0008 * mask.size)
            if t > 0 and out["visible"][row, t] and rng.random() < 0.15:
                out["later_points"][row, t, 0] = inner_point(rng, mask)
                out["later_labels"][row, t, 0] = 1
        out["points"][row], out["labels"][row], single = prompt_for(rng, clip.ids[0] == k + 1)
        out["single"][row] = float(single)
    return out


def outlined_objects(rng: np.random.Generator, frames: list[LabelledFrame], shape: BatchShape) -> dict[str, np.ndarray]:
    """Objects on single frames, one prompt each, to train `segment` alone."""
    found = []
    for labelled in frames:
        counts = np.bincount(labelled.ids.ravel(), minlength=len(labelled.objects) + 1)[1:]
        found += [(labelled, int(k)) for k in np.flatnonzero(counts > 0.004 * labelled.ids.size)]
    rng.shuffle(found)
    found = (found * shape.outlined)[: shape.outlined]
    side = shape.size // 4
    prompts = [prompt_for(rng, labelled.ids == k + 1) for labelled, k in found]
    return {
        "frame": np.array([labelled.frame for labelled, _ in found], np.int64),
        "mask": np.stack([soft_mask(labelled.ids, k + 1, side) for labelled, k in found]),
        "points": np.stack([points for points, _, _ in prompts]),
        "labels": np.stack([labels for _, labels, _ in prompts]),
        "single": np.array([single for _, _, single in prompts], np.float32),
    }


class ConceptSampler:
    """Chooses phrases (present and absent) or exemplar boxes for a frame, and determines the matching objects."""

    def __init__(self, shape: BatchShape) -> None:
        self.shape = shape
        self.tokenizer = build_tokenizer()
        self.column = {phrase: index for index, phrase in enumerate(ALL_PHRASES)}

    def tokens(self, phrase: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        ids = self.tokenizer.encode(phrase).ids[: self.shape.text_length]
        padded = np.zeros(self.shape.text_length, np.int32)
        mask = np.zeros(self.shape.text_length, np.int32)
        padded[: len(ids)], mask[: len(ids)] = ids, 1
        return padded, mask

    def absent_phrase(self, rng: np.random.Generator, present: set[str]) -> str:
        """In two of three cases a near miss: a present phrase with one word changed, most often to a word of another
        present phrase (for a red square and a blue circle: "red circle").
        """
        for _ in range(20):
            phrase = str(rng.choice(ALL_PHRASES))
            roll = rng.random()
            if present and roll < 0.66:
                base = str(rng.choice(sorted(present))).split()
                other = str(rng.choice(sorted(present))).split() if roll < 0.4 else phrase.split()
                if len(base) > 1:
                    base[int(rng.integers(len(base)))] = other[int(rng.integers(len(other)))]
                    phrase = " ".join(base)
            if phrase not in present and phrase in self.known:
                return phrase
        return "[UNK]"

    known = frozenset(ALL_PHRASES)

    def rows(self, rng: np.random.Generator, frames: list[LabelledFrame]) -> dict[str, np.ndarray]:
        s = self.shape
        side = s.size // 4
        out: dict[str, np.ndarray] = {
            "frame": np.zeros(s.rows, np.int64),
            "ids": np.zeros((s.rows, s.text_length), np.int32),
            "text_mask": np.zeros((s.rows, s.text_length), np.int32),
            "exemplars": np.zeros((s.rows, 2, 4), np.float32),
            "exemplar_labels": np.full((s.rows, 2), PADDING, np.int32),
            "boxes": np.zeros((s.rows, s.instances, 4), np.float32),
            "masks": np.zeros((s.rows, s.instances, side, side), np.float32),
            "valid": np.zeros((s.rows, s.instances), np.float32),
            "ignore": np.zeros((s.rows, side, side), np.float32),
        }
        for row in range(s.rows):
            clip = frames[row % len(frames)]
            ids = clip.ids
            counts = np.bincount(ids.ravel(), minlength=len(clip.objects) + 1)[1:]
            seen = [k for k in range(len(clip.objects)) if counts[k] >= 0.0015 * ids.size]
            named = [k for k in seen if clip.objects[k].phrases]
            present = {p for k in seen for p in clip.objects[k].phrases}
            doubtful = {p for o in clip.objects for p in o.maybe}
            every = {p for o in clip.objects for p in o.phrases}
            out["frame"][row] = clip.frame
            instances: list[int] = []
            if named and rng.random() < 0.62:
                anchor = named[int(rng.integers(len(named)))]
                phrases = clip.objects[anchor].phrases
                phrase = phrases[int(rng.integers(len(phrases)))]
                if rng.random() < 0.22:  # exemplar instead of a phrase
                    phrase = max(phrases, key=lambda p: len(p.split()))
                    out["exemplars"][row, 0] = self.exemplar(rng, ids == anchor + 1)
                    out["exemplar_labels"][row, 0] = 1
                    others = [k for k in named if phrase not in clip.objects[k].phrases]
                    if others and rng.random() < 0.3:
                        out["exemplars"][row, 1] = self.exemplar(rng, ids == int(rng.choice(others)) + 1)
                        out["exemplar_labels"][row, 1] = 0
                    if rng.random() < 0.3:
                        out["ids"][row], out["text_mask"][row] = self.tokens(phrase, rng)
                else:
                    out["ids"][row], out["text_mask"][row] = self.tokens(phrase, rng)
                instances = [k for k in range(len(clip.objects)) if phrase in clip.objects[k].phrases]
                debatable = [k for k in seen if phrase in clip.objects[k].maybe]
                # Slivers of an instance and debatable objects are ignored.
                for k in debatable + [k for k in instances if k not in seen and counts[k] > 0]:
                    out["ignore"][row] = np.maximum(out["ignore"][row], soft_mask(ids, k + 1, side))
                instances = [k for k in instances if k in seen]
            else:
                phrase = self.absent_phrase(rng, present | doubtful | every)
                out["ids"][row], out["text_mask"][row] = self.tokens(phrase, rng)
            for slot, k in enumerate(instances[: s.instances]):
                mask = ids == k + 1
                out["boxes"][row, slot] = box_of(mask)
                out["masks"][row, slot] = soft_mask(ids, k + 1, side)
                out["valid"][row, slot] = 1.0
            for k in instances[s.instances :]:
                out["ignore"][row] = np.maximum(out["ignore"][row], soft_mask(ids, k + 1, side))
        return out

    def regions(self, frames: list[LabelledFrame]) -> dict[str, np.ndarray]:
        """All objects with their labels: frame [Q], mask [Q,m,m], positive and doubtful [Q,phrases] (both empty for an
        object without a name), and whether the object is large enough to be recognised [Q].
        """
        side = self.shape.size // 4
        found = [(labelled, k) for labelled in frames for k in range(len(labelled.objects)) if (labelled.ids == k + 1).any()]
        out = {
            "frame": np.array([labelled.frame for labelled, _ in found], np.int64),
            "mask": np.zeros((len(found), side, side), np.float32),
            "positive": np.zeros((len(found), len(ALL_PHRASES)), bool),
            "doubtful": np.zeros((len(found), len(ALL_PHRASES)), bool),
            "clear": np.array([(labelled.ids == k + 1).mean() >= MIN_NAMED_SHARE for labelled, k in found], bool),
        }
        for row, (labelled, k) in enumerate(found):
            out["mask"][row] = soft_mask(labelled.ids, k + 1, side)
            each = labelled.objects[k]
            out["positive"][row, [self.column[phrase] for phrase in each.phrases]] = True
            out["doubtful"][row, [self.column[phrase] for phrase in each.maybe if phrase in self.column]] = True
        return out

    @staticmethod
    def exemplar(rng: np.random.Generator, mask: np.ndarray) -> tuple[float, float, float, float]:
        """cxcywh box around a mask, with small random error."""
        x0, y0, x1, y1 = box_of(mask)
        w, h = x1 - x0, y1 - y0
        dx, dy, dw, dh = rng.normal(0, 0.03, 4)
        return (x0 + x1) / 2 + dx * w, (y0 + y1) / 2 + dy * h, w * (1 + dw), h * (1 + dh)


def make_batch(rng: np.random.Generator, generator: ClipGenerator, sampler: ConceptSampler) -> dict[str, Any]:
    """One training step's arrays."""
    s = sampler.shape
    clips = [generator.clip(s.frames, "track") for _ in range(s.track_clips)]
    clips += [generator.clip(s.frames, "named") for _ in range(s.named_clips)]
    stills = [generator.clip(1, "named") for _ in range(s.stills)]
    labelled = [LabelledFrame(index * s.frames, clips[index].ids[0], clips[index].objects) for index in range(s.track_clips, len(clips))]
    labelled += [LabelledFrame(len(clips) * s.frames + i, still.ids[0], still.objects) for i, still in enumerate(stills)]
    images = np.concatenate([clip.frames for clip in clips + stills])  # uint8 [frames,S,S,3]
    objects = tracked_objects(rng, clips, s) if clips else {}
    if not labelled:
        return {"images": images, "objects": objects}
    return {
        "images": images,
        "objects": objects,
        "outlined": outlined_objects(rng, labelled, s),
        "concepts": sampler.rows(rng, labelled),
        "regions": sampler.regions(labelled),
    }


def make_batches(sprites: str, shape: BatchShape, seed: int) -> Iterator[dict[str, Any]]:
    """Yields the training arrays of one step after another, without end."""
    rng = np.random.default_rng(seed)
    generator = ClipGenerator(sprites, size=shape.size, seed=seed, split="train", shapes=shape.shapes, pictures=shape.pictures)
    sampler = ConceptSampler(shape)
    while True:
        yield make_batch(rng, generator, sampler)


def _produce(make: Callable[..., Iterator[dict[str, Any]]], arguments: dict[str, Any], out: Any) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)  # otherwise its threads wait for those of the trainer
    for batch in make(**arguments):
        out.put(batch)


class BatchStream:
    """Batches from one background process, which runs ``make`` a few batches ahead of the trainer."""

    def __init__(self, make: Callable[..., Iterator[dict[str, Any]]], ahead: int = 4, **arguments: Any) -> None:
        context = mp.get_context("spawn")
        self.queue = context.Queue(maxsize=ahead)
        self.process = context.Process(target=_produce, args=(make, arguments, self.queue), daemon=True)
        self.process.start()

    def next(self) -> dict[str, Any]:
        while True:
            try:
                return self.queue.get(timeout=60)
            except queue.Empty:
                if not self.process.is_alive():
                    raise RuntimeError("the clip generator's process exited") from None

    def close(self) -> None:
        self.process.terminate()
