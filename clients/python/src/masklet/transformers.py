"""The video models of transformers, served by masklet: change the import, keep the rest.

>>> from masklet.transformers import Sam3VideoModel, Sam3VideoProcessor  # was: from transformers
>>> model = Sam3VideoModel.from_pretrained("facebook/sam3")
>>> processor = Sam3VideoProcessor.from_pretrained("facebook/sam3")
>>> session = processor.init_video_session(video=frames)
>>> session = processor.add_text_prompt(session, "person")
>>> for outputs in model.propagate_in_video_iterator(session):
...     result = processor.postprocess_outputs(session, outputs)

Results are ``torch.Tensor`` on the CPU in a program that has imported torch, otherwise NumPy arrays with ``.cpu()``,
``.numpy()`` and ``.to()``. The model is the pack of the server: names of checkpoints, configurations, devices and
dtypes have no effect. Inputs of other models cannot be given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from ._private import shared_client
from ._sources import depth_of, plain, to_numpy
from ._video_session import Input, ModelOutputs, VideoSession
from .arrays import device, resized, tensor_of
from .frames import Frame

__all__ = [
    "Sam2VideoConfig",
    "Sam2VideoModel",
    "Sam2VideoProcessor",
    "Sam3TrackerVideoConfig",
    "Sam3TrackerVideoModel",
    "Sam3TrackerVideoProcessor",
    "Sam3VideoConfig",
    "Sam3VideoModel",
    "Sam3VideoProcessor",
]

_T = TypeVar("_T", bound="_Pretrained")


class _Pretrained:
    @classmethod
    def from_pretrained(cls: type[_T], *_: Any, **__: Any) -> _T:
        """The name of the checkpoint and the other arguments have no effect."""
        return cls()

    def to(self: _T, *_: Any, **__: Any) -> _T:
        return self

    def eval(self: _T) -> _T:
        return self


class Sam3VideoConfig(_Pretrained):
    """A configuration whose attributes can be set. They have no effect."""


Sam2VideoConfig = Sam3VideoConfig
Sam3TrackerVideoConfig = Sam3VideoConfig


class ProcessedFrames:
    """What a processor returns for pictures: the pictures themselves, and their sizes."""

    def __init__(self, pictures: list[Any]) -> None:
        self.pixel_values = pictures
        """Not scaled: the server scales them."""
        self.original_sizes = tensor_of(np.array([_size_of(picture) for picture in pictures]))
        """``[n, 2]``, height and width in pixels."""

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
        client = shared_client()
        return VideoSession(client.start_session(video, live=video is None))

    def __call__(self, images: Any, **_: Any) -> ProcessedFrames:
        """Keeps pictures for the model: uint8 ``[h, w, 3]`` in RGB, pictures of Pillow, or a list of them."""
        return ProcessedFrames(list(images) if isinstance(images, (list, tuple)) else [images])


class _Model(_Pretrained):
    @property
    def device(self) -> Any:
        """The device of results: the CPU. The server decides where the model runs."""
        return device()

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
            return self._outputs(inference_session, inference_session.push(frame))
        if frame_idx is None:
            raise ValueError("expected frame_idx, or a frame of a session without a video")
        return self._outputs(inference_session, inference_session.result(frame_idx))

    def _outputs(self, session: VideoSession, frame: Frame) -> ModelOutputs:
        ids = frame.ids.tolist()
        session.obj_ids += [obj_id for obj_id in ids if obj_id not in session.obj_ids]
        return ModelOutputs(frame, ids)


class Sam3VideoProcessor(_Processor):
    """Phrases, as ``transformers.Sam3VideoProcessor``."""

    def add_text_prompt(self, inference_session: VideoSession, text: str | list[str]) -> VideoSession:
        """Adds one or several phrases; every instance becomes an object."""
        for phrase in [text] if isinstance(text, str) else text:
            inference_session.add_phrase(phrase)
        return inference_session

    def postprocess_outputs(
        self, inference_session: VideoSession, model_outputs: ModelOutputs, original_sizes: Any = None
    ) -> dict[str, Any]:
        """The objects of a frame, at the size of the video.

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
            "object_ids": tensor_of(frame.ids),
            "scores": tensor_of(frame.scores),
            "boxes": tensor_of(frame.boxes_xyxy),
            "masks": tensor_of(frame.masks),
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
            frame_idx: in a session without a video, also the number of the frame that the model gets next.
            obj_ids: an id or a list of ids.
            input_points: ``[1, objects, points, 2]`` in pixels; objects may have different numbers of points.
            input_labels: ``[1, objects, points]``, 1 on the object, 0 off it.
            input_boxes: ``[1, objects, 4]``, corners in pixels.
            input_masks: ``[h, w]`` of one object, ``[objects, h, w]``, or a list of ``[h, w]``.
        """
        if (input_points is None) != (input_labels is None):
            raise ValueError("points and labels must be provided together")
        if input_points is None and input_boxes is None and input_masks is None:
            raise ValueError("at least one of points, boxes, or masks must be provided as input")
        if input_masks is not None and (input_points is not None or input_boxes is not None):
            raise ValueError("masks cannot be provided together with points or boxes")
        ids = [int(one) for one in np.ravel(plain(obj_ids))]
        points = _by_object("input_points", input_points, ids, "[1, objects, points, 2]")
        labels = _by_object("input_labels", input_labels, ids, "[1, objects, points]")
        boxes = _by_object("input_boxes", input_boxes, ids, "[1, objects, 4]")
        masks = _masks(input_masks, ids)
        for row, obj_id in enumerate(ids):
            prompt = {"points": points[row], "labels": labels[row], "box": boxes[row], "mask": masks[row]}
            given = Input(int(frame_idx), obj_id, {**prompt, "pixels": True, "clear_old_points": clear_old_inputs})
            inference_session.add_input(given)
        return inference_session

    def process_new_points_or_boxes_for_video_frame(
        self,
        inference_session: VideoSession,
        frame_idx: int,
        obj_ids: Any,
        input_points: Any = None,
        input_labels: Any = None,
        input_boxes: Any = None,
        original_size: Any = None,
        clear_old_inputs: bool = True,
    ) -> VideoSession:
        """As ``add_inputs_to_inference_session``."""
        inputs = (input_points, input_labels, input_boxes, None, original_size, clear_old_inputs)
        return self.add_inputs_to_inference_session(inference_session, frame_idx, obj_ids, *inputs)

    def process_new_mask_for_video_frame(
        self, inference_session: VideoSession, frame_idx: int, obj_ids: Any, input_masks: Any
    ) -> VideoSession:
        """As ``add_inputs_to_inference_session``."""
        return self.add_inputs_to_inference_session(inference_session, frame_idx, obj_ids, input_masks=input_masks)

    def post_process_masks(
        self, masks: Any, original_sizes: Any = None, mask_threshold: float = 0.0, binarize: bool = True, **_: Any
    ) -> list[Any]:
        """The masks ``[n, 1, h, w]`` of each frame, at its size in ``original_sizes``; bool if ``binarize``.

        Args:
            masks: ``pred_masks`` of one or several outputs, as a list.
            original_sizes: height and width of each frame. Default: as the masks are.
        """
        sizes = [None] * len(masks) if original_sizes is None else [tuple(one) for one in plain(original_sizes)]
        if len(sizes) != len(masks):
            raise ValueError(f"original_sizes: expected {len(masks)} sizes, one for each frame, got {len(sizes)}")
        fitting = [one if size is None else _at_size(one, size) for one, size in zip(masks, sizes)]
        return [one > mask_threshold if binarize else one for one in fitting]


class Sam2VideoModel(_Model):
    """As ``transformers.Sam2VideoModel``: the result of a frame has all prompted objects, also invisible ones."""

    def _outputs(self, session: VideoSession, frame: Frame) -> ModelOutputs:
        return ModelOutputs(frame, session.obj_ids)


Sam3TrackerVideoProcessor = Sam2VideoProcessor
Sam3TrackerVideoModel = Sam2VideoModel


def _at_size(masks: Any, size: tuple[int, int]) -> Any:
    return masks if tuple(masks.shape[-2:]) == size else tensor_of(resized(to_numpy(masks), size))


def _by_object(name: str, values: Any, ids: list[int], shape: str) -> list[Any]:
    """The values of each object from ``[1, objects, ...]``."""
    if values is None:
        return [None] * len(ids)
    frames = plain(values)
    if depth_of(frames) != shape.count(",") + 1 or len(frames) != 1:
        raise ValueError(f"{name}: expected {shape}, got {depth_of(frames)} axes")
    if len(frames[0]) != len(ids):
        raise ValueError(f"{name}: expected {len(ids)} objects, as many as obj_ids, got {len(frames[0])}")
    return list(frames[0])


def _masks(values: Any, ids: list[int]) -> list[Any]:
    """The masks ``[h, w]`` of each object."""
    if values is None:
        return [None] * len(ids)
    array = np.stack([to_numpy(one) for one in values]) if isinstance(values, list) else to_numpy(values)
    masks = list(array.reshape(-1, *array.shape[-2:]))
    if len(masks) != len(ids):
        raise ValueError(f"input_masks: expected {len(ids)} masks, one for each of obj_ids, got {len(masks)}")
    return masks
