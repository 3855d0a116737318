"""The sessions and the outputs of the module ``masklet.transformers``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._sync import Session
from .arrays import logits_of
from .frames import Frame

__all__ = ["Input", "ModelOutputs", "VideoSession"]


@dataclass(frozen=True)
class Input:
    """The prompt of one object on one frame, with the arguments of ``Session.add_prompt``."""

    frame_idx: int
    obj_id: int
    prompt: dict[str, Any]


class VideoSession:
    """The ``inference_session``: a video, or a live session whose frames the model gets one by one.

    The session of the server ends when the program drops this object.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        """The session of ``masklet``, with every method of this package."""
        self.obj_ids: list[int] = []
        """In the order in which the objects were added or detected."""
        self.phrases: list[str] = []
        self.results: dict[int, Frame] = {}
        """Answers to prompts, by frame; replaced by the next prompt."""
        self.obj_with_new_inputs: list[int] = []
        self._frames_pushed = 0
        self._waiting_phrases: list[str] = []
        self._waiting_inputs: list[Input] = []

    @property
    def is_live(self) -> bool:
        return self.session.video.kind == "live"

    @property
    def num_frames(self) -> int:
        """In a session without a video: the frames so far."""
        return self._frames_pushed if self.is_live else self.session.video.num_frames

    @property
    def video_height(self) -> int | None:
        """Pixels; None before the first frame of a session without a video."""
        return self.session.frame_size[1] or None

    @property
    def video_width(self) -> int | None:
        """Pixels; None before the first frame of a session without a video."""
        return self.session.frame_size[0] or None

    def add_phrase(self, phrase: str) -> None:
        """Adds a phrase now, or with the first frame of a session without a video."""
        if phrase not in self.phrases:
            self.phrases.append(phrase)
        if self.num_frames == 0:
            self._waiting_phrases.append(phrase)
        else:
            self._keep(self.session.add_prompt(frame_index="latest" if self.is_live else 0, text=phrase).frame)

    def add_input(self, given: Input) -> None:
        """Prompts an object now, or with its frame if a session without a video has not got the frame yet."""
        if given.obj_id not in self.obj_ids:
            self.obj_ids.append(given.obj_id)
        if self.is_live and given.frame_idx >= self.num_frames:
            if given.frame_idx > self.num_frames:
                raise ValueError(
                    f"frame_idx: expected {self.num_frames}, the next frame, or an earlier one, got {given.frame_idx}"
                )
            self._waiting_inputs.append(given)
        else:
            answer = self.session.add_prompt(frame_index=given.frame_idx, obj_id=given.obj_id, **given.prompt)
            self._keep(answer.frame)

    def push(self, picture: Any) -> Frame:
        """Sends the next frame, and then the prompts that wait for it. Returns all objects of the frame."""
        frame = self.session.push(picture, rgb=True)
        self._frames_pushed = frame.index + 1
        phrases, self._waiting_phrases = self._waiting_phrases, []
        inputs, self._waiting_inputs = self._waiting_inputs, []
        for phrase in phrases:
            frame = self.session.add_prompt(frame_index="latest", text=phrase).frame
        for given in inputs:
            frame = self.session.add_prompt(frame_index="latest", obj_id=given.obj_id, **given.prompt).frame
        return frame

    def result(self, frame_idx: int) -> Frame:
        """The objects of a frame: the answer to its last prompt, or the stored result."""
        found = self.results.get(frame_idx)
        if found is not None:
            return found
        stored = self.session.stored(frame_idx, frame_idx)
        if not stored:
            raise ValueError(f"frame {frame_idx} has no result: prompt it, or propagate over it")
        return stored[0]

    def _keep(self, frame: Frame) -> None:
        self.results = {frame.index: frame}

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.session._leave()

    def get_obj_num(self) -> int:
        return len(self.obj_ids)

    def obj_id_to_idx(self, obj_id: int) -> int:
        return self.obj_ids.index(obj_id)

    def obj_idx_to_id(self, obj_idx: int) -> int:
        return self.obj_ids[obj_idx]

    def remove_object(self, obj_id: int, strict: bool = False) -> None:
        """Removes an object. An unknown one raises RuntimeError if ``strict``."""
        if obj_id in self.obj_ids:
            self.obj_ids.remove(obj_id)
            self.results.clear()
            self.session.remove_object(obj_id)
        elif strict:
            raise RuntimeError(f"Cannot remove object id {obj_id} as it doesn't exist. Existing ids: {self.obj_ids}.")

    def reset_inference_session(self) -> None:
        """Removes all prompts and objects; the video stays open."""
        self.session.reset()
        for each in (self.obj_ids, self.phrases, self.results, self._waiting_phrases, self._waiting_inputs):
            each.clear()

    reset_tracking_data = reset_inference_session
    reset_state = reset_inference_session


class ModelOutputs:
    """The result of one frame; also indexed by name, as in ``outputs["pred_masks"]``."""

    def __init__(self, frame: Frame, obj_ids: Sequence[int]) -> None:
        self.frame = frame
        """The frame of ``masklet``, with boxes, times and states."""
        self.frame_idx = frame.index
        self.object_ids = list(obj_ids)

    @property
    def pred_masks(self) -> Any:
        """float32 ``[n, 1, h, w]`` at the size of the video, above 0 inside a mask, in the order of ``object_ids``."""
        masks = [self.frame.mask_of(obj_id) for obj_id in self.object_ids]
        size = (self.frame.height, self.frame.width)
        return logits_of(np.stack(masks)[:, None] if masks else np.zeros((0, 1, *size), np.bool_))

    @property
    def obj_id_to_mask(self) -> dict[int, Any]:
        """By object: float32 ``[1, h, w]`` at the size of the video."""
        return dict(zip(self.object_ids, self.pred_masks))

    @property
    def obj_id_to_score(self) -> dict[int, float]:
        """By visible object: 0 to 1."""
        return dict(zip(self.frame.ids.tolist(), self.frame.scores.tolist()))

    def __getitem__(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> tuple[str, ...]:
        return ("object_ids", "pred_masks", "obj_id_to_mask", "obj_id_to_score", "frame_idx")
