"""The video models and processors of ``transformers`` for SAM 2 and SAM 3, served by masklet.

>>> from masklet.transformers import Sam3VideoModel, Sam3VideoProcessor  # was: from transformers
>>> model = Sam3VideoModel.from_pretrained("facebook/sam3")
>>> processor = Sam3VideoProcessor.from_pretrained("facebook/sam3")
>>> session = processor.init_video_session(video=frames)
>>> session = processor.add_text_prompt(session, "person")
>>> for outputs in model.propagate_in_video_iterator(session):
...     result = processor.postprocess_outputs(session, outputs)

Results are NumPy arrays with the methods of tensors that examples call, such as ``.cpu()``. The model is the pack of
the server: names of checkpoints, devices and dtypes have no effect. Inputs of other models cannot be given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from ._private import connect_or_serve
from ._sources import plain, to_numpy
from ._sync import Client, Session
from .arrays import TensorLike, logits_of, tensor_like
from .frames import Frame

__all__ = [
    "Sam2VideoModel",
    "Sam2VideoProcessor",
    "Sam3TrackerVideoModel",
    "Sam3TrackerVideoProcessor",
    "Sam3VideoModel",
    "Sam3VideoProcessor",
]

_T = TypeVar("_T", bound="_Pretrained")


class _Pretrained:
    @classmethod
    def from_pretrained(cls: type[_T], *_: Any, **__: Any) -> _T:
        """The name of the checkpoint has no effect."""
        return cls()

    def to(self: _T, *_: Any, **__: Any) -> _T:
        return self

    def eval(self: _T) -> _T:
        return self


class VideoSession:
    """The ``inference_session``."""

    def __init__(self, client: Client, session: Session) -> None:
        self._client = client
        self.session = session
        self.obj_ids: list[int] = []
        self.phrases: list[str] = []
        self.waiting_phrases: list[str] = []
        """Phrases of a live session that wait for its first frame."""
        self.results: dict[int, Frame] = {}
        """Answers to prompts, by frame; replaced by the next prompt."""
        self.obj_with_new_inputs: list[int] = []

    @property
    def num_frames(self) -> int:
        return self.session.video.num_frames

    @property
    def video_height(self) -> int:
        return self.session.video.height

    @property
    def video_width(self) -> int:
        return self.session.video.width

    def reset_inference_session(self) -> None:
        """Removes all prompts and objects; the video stays open."""
        self.session.reset()
        self.obj_ids.clear()
        self.phrases.clear()
        self.results.clear()

    reset_tracking_data = reset_inference_session


class ModelOutputs:
    """The result of one frame. ``pred_masks`` are logits-like, float32 ``[n, 1, h, w]``, at the size of the video."""

    def __init__(self, frame: Frame, obj_ids: Sequence[int]) -> None:
        self.frame = frame
        self.frame_idx = frame.index
        self.object_ids = list(obj_ids)

    @property
    def pred_masks(self) -> TensorLike:
        masks = [self.frame.mask_of(obj_id) for obj_id in self.object_ids]
        size = (self.frame.height, self.frame.width)
        return logits_of(np.stack(masks)[:, None] if masks else np.zeros((0, 1, *size), np.bool_))


class ProcessedFrames:
    """What a processor returns for pictures: the pictures themselves, and their sizes."""

    def __init__(self, pictures: list[Any]) -> None:
        self.pixel_values = pictures
        self.original_sizes = [[*_size_of(picture)] for picture in pictures]

    def to(self, *_: Any, **__: Any) -> ProcessedFrames:
        return self


def _size_of(picture: Any) -> tuple[int, int]:
    if hasattr(picture, "convert"):  # a picture of Pillow: width, height
        return int(picture.size[1]), int(picture.size[0])
    height, width = to_numpy(picture).shape[:2]
    return int(height), int(width)


class _Processor(_Pretrained):
    def init_video_session(self, video: Any = None, **_: Any) -> VideoSession:
        """Opens a video: its path, uint8 ``[n, h, w, 3]``, or a list of pictures.

        Without a video: a session whose frames are given to the model one by one.
        """
        client = connect_or_serve(None, None)
        if video is None:
            return VideoSession(client, client.start_session(live=True))
        return VideoSession(client, client.start_session(video if isinstance(video, (str, list)) else to_numpy(video)))

    def __call__(self, images: Any, **_: Any) -> ProcessedFrames:
        """Keeps pictures for the model; the server scales them."""
        return ProcessedFrames(list(images) if isinstance(images, (list, tuple)) else [images])


class _Model(_Pretrained):
    def propagate_in_video_iterator(
        self,
        inference_session: VideoSession,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
        **_: Any,
    ) -> Iterator[ModelOutputs]:
        """Tracks the objects, and yields each frame; in reverse also the start frame, first."""
        session = inference_session.session
        runs = [("forward", start_frame_idx, max_frame_num_to_track)]
        if reverse:
            start = inference_session.num_frames - 1 if start_frame_idx is None else start_frame_idx
            runs = [("forward", start, 0), ("backward", start, max_frame_num_to_track)]
        for direction, first, distance in runs:
            frames = session.propagate(direction, start_frame_index=first, max_frame_num_to_track=distance)
            try:
                for frame in frames:
                    yield self._outputs(inference_session, frame)
            finally:
                frames.close()

    def __call__(
        self, inference_session: VideoSession, frame_idx: int | None = None, frame: Any = None, **_: Any
    ) -> ModelOutputs:
        """The result of a prompted frame, or of a new frame of a session without a video."""
        if frame is not None:
            return self._outputs(inference_session, _push(inference_session, frame))
        if frame_idx is None:
            raise ValueError("expected frame_idx, or a frame of a session without a video")
        found = inference_session.results.get(frame_idx)
        if found is None:
            stored = inference_session.session.stored(frame_idx, frame_idx)
            if not stored:
                raise ValueError(f"frame {frame_idx} has no result: prompt it, or propagate over it")
            found = stored[0]
        return self._outputs(inference_session, found)

    def _outputs(self, session: VideoSession, frame: Frame) -> ModelOutputs:
        return ModelOutputs(frame, frame.ids.tolist())


def _push(session: VideoSession, picture: Any) -> Frame:
    frame = session.session.push(picture, rgb=True)
    for phrase in session.waiting_phrases:
        frame = session.session.add_prompt(frame_index="latest", text=phrase).frame
    session.waiting_phrases.clear()
    return frame


class Sam3VideoProcessor(_Processor):
    """Phrases, as ``transformers.Sam3VideoProcessor``."""

    def add_text_prompt(self, inference_session: VideoSession, text: str | list[str]) -> VideoSession:
        """Adds one or several phrases; every instance becomes an object."""
        session = inference_session.session
        for phrase in [text] if isinstance(text, str) else text:
            inference_session.phrases.append(phrase)
            if session.video.kind == "live" and session.get()["num_frames"] == 0:
                inference_session.waiting_phrases.append(phrase)
            else:
                is_live = session.video.kind == "live"
                session.add_prompt(frame_index="latest" if is_live else 0, text=phrase)
        return inference_session

    def postprocess_outputs(
        self, inference_session: VideoSession, model_outputs: ModelOutputs, original_sizes: Any = None
    ) -> dict[str, Any]:
        """The objects of a frame.

        ``object_ids`` int64 ``[n]``, ``scores`` float32 ``[n]``, ``boxes`` float32 ``[n, 4]`` (corners in pixels),
        ``masks`` bool ``[n, h, w]``, and ``prompt_to_obj_ids``, the ids by phrase.
        """
        frame = model_outputs.frame
        by_phrase: dict[str, list[int]] = {phrase: [] for phrase in inference_session.phrases}
        visible = set(frame.ids.tolist())
        for state in frame.states:
            concept = state["prompt"].get("concept")
            if state["obj_id"] in visible and concept in by_phrase:
                by_phrase[concept].append(state["obj_id"])
        return {
            "object_ids": tensor_like(frame.ids),
            "scores": tensor_like(frame.scores),
            "boxes": tensor_like(frame.boxes_xyxy),
            "masks": tensor_like(frame.masks),
            "prompt_to_obj_ids": by_phrase,
        }


class Sam3VideoModel(_Model):
    """As ``transformers.Sam3VideoModel``."""


class Sam2VideoProcessor(_Processor):
    """Clicks, boxes and masks, as ``transformers.Sam2VideoProcessor``."""

    def add_inputs_to_inference_session(
        self,
        inference_session: VideoSession,
        frame_idx: int,
        obj_ids: Any,
        input_points: Any = None,
        input_labels: Any = None,
        input_boxes: Any = None,
        input_masks: Any = None,
        original_size: Any = None,
        clear_old_inputs: bool = True,
    ) -> VideoSession:
        """Prompts one or several objects on a frame.

        Args:
            obj_ids: an id or a list of ids.
            input_points: ``[1, objects, points, 2]`` in pixels.
            input_labels: ``[1, objects, points]``.
            input_boxes: ``[1, objects, 4]``, corners in pixels.
            input_masks: ``[h, w]`` of one object, or ``[objects, h, w]``.
        """
        ids = [int(one) for one in np.ravel(plain(obj_ids))]
        for row, obj_id in enumerate(ids):
            mask = None
            if input_masks is not None:
                masks = to_numpy(input_masks)
                mask = masks.reshape(-1, *masks.shape[-2:])[row]
            prompt = inference_session.session.add_prompt(
                frame_index=frame_idx,
                obj_id=obj_id,
                points=_row(input_points, row),
                labels=_row(input_labels, row),
                box=_row(input_boxes, row),
                mask=mask,
                pixels=True,
                clear_old_points=clear_old_inputs,
            )
            if obj_id not in inference_session.obj_ids:
                inference_session.obj_ids.append(obj_id)
            inference_session.results = {frame_idx: prompt.frame}
        return inference_session

    process_new_points_or_boxes_for_video_frame = add_inputs_to_inference_session
    process_new_mask_for_video_frame = add_inputs_to_inference_session

    def post_process_masks(
        self, masks: Any, original_sizes: Any = None, mask_threshold: float = 0.0, binarize: bool = True, **_: Any
    ) -> list[TensorLike]:
        """The masks ``[n, 1, h, w]``, which have the size of the video already; bool if ``binarize``."""
        return [(one > mask_threshold) if binarize else one for one in masks]


class Sam2VideoModel(_Model):
    """As ``transformers.Sam2VideoModel``: the result of a frame has all prompted objects, also invisible ones."""

    def _outputs(self, session: VideoSession, frame: Frame) -> ModelOutputs:
        return ModelOutputs(frame, session.obj_ids)


Sam3TrackerVideoProcessor = Sam2VideoProcessor
Sam3TrackerVideoModel = Sam2VideoModel


def _row(values: Any, row: int) -> Any:
    """The values of one object from ``[1, objects, ...]``."""
    return None if values is None else plain(values)[0][row]
