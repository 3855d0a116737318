"""The answers to requests that are more than one value."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .frames import Frame
from .masks import decode_rle

__all__ = [
    "Affected",
    "ImportResult",
    "ImportedObject",
    "LeftOut",
    "Prediction",
    "PromptResult",
    "Suspect",
    "VideoFacts",
]


@dataclass(frozen=True)
class VideoFacts:
    """The video of a session."""

    kind: str
    """``video``, ``frames`` (several pictures), ``image`` or ``live``."""
    width: int
    """Pixels, as displayed. 0 before the first frame of a live session."""
    height: int
    num_frames: int
    fps: float | None
    """The average; None for pictures without times."""
    duration_s: float | None
    start_time_us: int | None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> VideoFacts:
        names = ("kind", "width", "height", "num_frames", "fps", "duration_s", "start_time_us")
        return cls(**{name: answer[name] for name in names})


@dataclass(frozen=True)
class Affected:
    """Frames whose results an edit made stale, both ends inclusive. ``obj_id`` None: any object."""

    obj_id: int | None
    first_frame_index: int
    last_frame_index: int


def affected_of(answer: Mapping[str, Any]) -> list[Affected]:
    return [Affected(**one) for one in answer.get("affected", [])]


@dataclass(frozen=True)
class PromptResult:
    """The answer to a prompt: the objects of its frame."""

    frame: Frame
    obj_id: int | None
    """The prompted object; None for phrases and exemplars."""
    affected: list[Affected]
    semantic_map: NDArray[np.bool_] | None = None
    """With ``semantic_map=True``: the pixels of all instances of the concept, bool ``[h, w]``."""
    vocabulary_coverage: float | None = None
    """For phrases: the share of their words that the model pack knows, 0 to 1."""
    unknown_words: tuple[str, ...] = ()
    """For phrases: the words that the model pack does not know."""


@dataclass(frozen=True)
class Suspect:
    """A mask that may be wrong."""

    frame_index: int
    obj_id: int
    score: float
    reason: str


@dataclass(frozen=True)
class Prediction:
    """The masks of ``predict`` for one prompt. ``m`` is 3, or 1 without ``multimask_output``."""

    masks: NDArray[np.bool_]
    """bool ``[m, h, w]``."""
    scores: NDArray[np.float32]
    """The model's estimate of the IoU of each mask with the intended one, float32 ``[m]``."""
    low_res_masks: NDArray[np.float32] | None
    """Logits at the model's resolution, float32 ``[m, rows, columns]``; each is a valid ``mask_input``."""


@dataclass(frozen=True)
class ImportedObject:
    """An object that an import made or corrected."""

    obj_id: int
    name: str | None
    is_new: bool
    """False for an object that the session had before."""
    frames: int
    """Frames with an annotation of the object."""


@dataclass(frozen=True)
class LeftOut:
    """Annotations that an import left out, for one reason."""

    reason: str
    count: int
    example: str
    """Where one of them is in the file."""


@dataclass(frozen=True)
class ImportResult:
    """What an import did."""

    masks: int
    boxes: int
    frames: int
    """Frames with an annotation."""
    objects: list[ImportedObject]
    skipped: list[LeftOut]
    """Empty when everything was imported."""
    warnings: list[str]
    """Signs that the file was made for another video although its annotations fit."""

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> ImportResult:
        counts = answer["imported"]
        return cls(
            counts["masks"],
            counts["boxes"],
            counts["frames"],
            [ImportedObject(**one) for one in answer["objects"]],
            [LeftOut(one["reason"], one["count"], one.get("example", "")) for one in answer["skipped"]],
            list(answer.get("warnings", [])),
        )


def predictions_of(answer: Mapping[str, Any]) -> list[Prediction]:
    low_res = answer.get("low_res_masks") or [None] * len(answer["masks"])
    return [
        Prediction(
            np.stack([decode_rle(mask) for mask in masks]),
            np.asarray(scores, np.float32),
            None if logits is None else np.stack([decode_low_res(one) for one in logits]),
        )
        for masks, scores, logits in zip(answer["masks"], answer["iou_predictions"], low_res)
    ]


def decode_low_res(logits: Mapping[str, Any]) -> NDArray[np.float32]:
    values = np.frombuffer(base64.b64decode(logits["data"]), "<f2")
    return values.reshape(logits["size"]).astype(np.float32)


def encode_low_res(logits: NDArray[Any]) -> dict[str, Any]:
    """The field ``mask_input`` from logits ``[rows, columns]`` or ``[1, rows, columns]``."""
    rows, columns = logits.shape[-2:]
    values = np.clip(logits.reshape(rows, columns), -32, 32).astype("<f2")
    return {
        "size": [rows, columns],
        "dtype": "float16",
        "data": base64.b64encode(values.tobytes()).decode(),
    }
