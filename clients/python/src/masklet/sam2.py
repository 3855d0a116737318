"""SAM 2's video predictor, served by masklet: change the import, keep the rest.

>>> from masklet.sam2 import build_sam2_video_predictor  # was: from sam2.build_sam
>>> predictor = build_sam2_video_predictor(model_cfg, checkpoint)
>>> state = predictor.init_state(video_path="frames/")
>>> _, ids, logits = predictor.add_new_points_or_box(state, frame_idx=0, obj_id=1, points=[[210, 350]], labels=[1])

Points and boxes are in pixels of the video. Masks are float32 ``[n, 1, h, w]`` at the size of the video, above 0
inside a mask and below 0 outside; they contain no confidence. They are ``torch.Tensor`` on the CPU in a program that
has imported torch, otherwise NumPy arrays with ``.cpu()``, ``.numpy()`` and ``.to()``. ``n`` counts all objects, in
the order in which they were added; an object that is not visible has a mask without pixels. The model is the pack of
the server: the configuration, the checkpoint and the device are not used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._private import connect_or_serve
from ._sources import mask_array, plain, to_numpy
from ._sync import Client, Session
from .arrays import device, logits_of, resized
from .frames import Frame

__all__ = ["SAM2VideoPredictor", "build_sam2_video_predictor", "build_sam2_video_predictor_hf"]

Result = tuple[int, list[int], Any]
"""Frame index, object ids, masks: ``torch.Tensor`` or ``TensorLike``, float32 ``[n, 1, h, w]``."""


def build_sam2_video_predictor(
    *_: Any, url: str | None = None, key: str | None = None, **__: Any
) -> SAM2VideoPredictor:
    """A predictor on the server ``url``; default: ``MASKLET_URL``, else a private server that is started.

    The arguments of SAM 2 (configuration, checkpoint, device, ...) are accepted without effect.
    """
    return SAM2VideoPredictor(connect_or_serve(url, key))


build_sam2_video_predictor_hf = build_sam2_video_predictor


class State(dict[str, Any]):
    """The ``inference_state``. Keys: ``obj_ids``, ``num_frames``, ``video_height``, ``video_width``.

    The session of the server ends when the program drops the state, for example by running a cell of a notebook again.
    """

    session: Session
    prompted: dict[int, set[int]]
    """Frames with a prompt, by object."""

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.session._leave()


class SAM2VideoPredictor:
    """The methods of ``sam2/sam2_video_predictor.py``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @classmethod
    def from_pretrained(cls, *_: Any, url: str | None = None, key: str | None = None, **__: Any) -> SAM2VideoPredictor:
        """A predictor; the name of the model has no effect."""
        return cls(connect_or_serve(url, key))

    @property
    def device(self) -> Any:
        """The device of the returned masks: the CPU. The server decides where the model runs."""
        return device()

    def to(self, *_: Any, **__: Any) -> SAM2VideoPredictor:
        return self

    def eval(self) -> SAM2VideoPredictor:
        return self

    def init_state(
        self,
        video_path: Any,
        offload_video_to_cpu: bool = False,
        offload_state_to_cpu: bool = False,
        async_loading_frames: bool = False,
    ) -> State:
        """Opens a video, a folder of pictures, or pictures in memory."""
        session = self._client.start_session(video_path)
        video = session.video
        state = State(
            obj_ids=[],
            num_frames=video.num_frames,
            video_height=video.height,
            video_width=video.width,
        )
        state.session = session
        state.prompted = {}
        return state

    def add_new_points_or_box(
        self,
        inference_state: State,
        frame_idx: int,
        obj_id: int,
        points: Any = None,
        labels: Any = None,
        clear_old_points: bool = True,
        normalize_coords: bool = True,
        box: Any = None,
    ) -> Result:
        """Adds clicks, a box ``[x0, y0, x1, y1]``, or both on one object. Returns the masks of all objects.

        Coordinates are in pixels of the video; with ``normalize_coords=False`` they are from 0 to 1.
        """
        if (points is None) != (labels is None):
            raise ValueError("points and labels must be provided together")
        if points is None and box is None:
            raise ValueError("at least one of points or box must be provided as input")
        if box is not None and not clear_old_points:
            raise ValueError(
                "cannot add box without clearing old points, since box prompt must be provided before any point "
                "prompt (please use clear_old_points=True instead)"
            )
        session = inference_state.session
        prompt = session.add_prompt(
            frame_index=int(frame_idx),
            obj_id=_id_of(obj_id),
            points=points,
            labels=labels,
            box=None if box is None else np.ravel(to_numpy(plain(box))),
            pixels=normalize_coords,
            clear_old_points=clear_old_points,
        )
        return self._prompted(inference_state, obj_id, prompt.frame)

    def add_new_points(self, *args: Any, **kwargs: Any) -> Result:
        """As ``add_new_points_or_box``."""
        return self.add_new_points_or_box(*args, **kwargs)

    def add_new_mask(self, inference_state: State, frame_idx: int, obj_id: int, mask: Any) -> Result:
        """Adds the mask ``[h, w]`` of one object, resized to the video if it has another size."""
        size = (inference_state["video_height"], inference_state["video_width"])
        prompt = inference_state.session.add_prompt(
            frame_index=int(frame_idx), obj_id=_id_of(obj_id), mask=resized(mask_array(mask), size)
        )
        return self._prompted(inference_state, obj_id, prompt.frame)

    def propagate_in_video(
        self,
        inference_state: State,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Iterator[Result]:
        """Tracks the objects. Yields frame index, object ids and masks ``[n, 1, h, w]`` for each frame.

        The start frame comes first, also in reverse. Default: the first frame with a prompt.
        """
        prompted = set().union(*inference_state.prompted.values())
        if not prompted:
            raise RuntimeError("No input points or masks are provided for any object; please add inputs first.")
        start = min(prompted) if start_frame_idx is None else int(start_frame_idx)
        session = inference_state.session
        if not reverse:
            frames = session.propagate(
                "forward", start_frame_index=start, max_frame_num_to_track=max_frame_num_to_track
            )
        else:
            if start == 0:
                return  # as in SAM 2
            first = session.propagate("forward", start_frame_index=start, max_frame_num_to_track=0)
            for frame in first:
                yield self._result(inference_state, frame)
            frames = session.propagate(
                "backward", start_frame_index=start, max_frame_num_to_track=max_frame_num_to_track
            )
        try:
            for frame in frames:
                yield self._result(inference_state, frame)
        finally:
            frames.close()

    def propagate_in_video_preflight(self, inference_state: State) -> None:
        """Has no effect: the server consolidates prompts by itself."""

    def clear_all_prompts_in_frame(
        self, inference_state: State, frame_idx: int, obj_id: int, need_output: bool = True
    ) -> Result | None:
        """Takes back the prompts of an object on a frame, if they are the only ones of the object.

        The object is then removed, as SAM 2 tracks no object without a prompt. Otherwise the server cannot take
        back the prompts of a single frame: NotImplementedError.
        """
        prompted = inference_state.prompted.get(obj_id, set())
        if frame_idx in prompted:
            if len(prompted) > 1:
                raise NotImplementedError(
                    f"masklet cannot clear the prompts of object {obj_id} on frame {frame_idx} only, because it has "
                    "prompts on other frames. Correct it with new clicks on this frame, or remove the object."
                )
            inference_state.session.remove_object(obj_id)
            inference_state.prompted[obj_id] = set()
        if not need_output:
            return None
        stored = inference_state.session.stored(frame_idx, frame_idx)
        return self._result(inference_state, stored[0] if stored else None, frame_idx)

    def remove_object(
        self, inference_state: State, obj_id: int, strict: bool = False, need_output: bool = True
    ) -> tuple[list[int], list[tuple[int, Any]]]:
        """Removes an object. Returns the other ids, and the masks of the frames on which it had prompts."""
        if obj_id not in inference_state["obj_ids"]:
            if strict:
                raise RuntimeError(f"Cannot remove object id {obj_id} as it doesn't exist.")
            return inference_state["obj_ids"], []
        inference_state["obj_ids"].remove(obj_id)
        frames = sorted(inference_state.prompted.pop(obj_id, set()))
        if frames:
            inference_state.session.remove_object(obj_id)
        updated = []
        if need_output and inference_state["obj_ids"]:
            for index in frames:
                for frame in inference_state.session.stored(index, index):
                    updated.append((index, self._result(inference_state, frame)[2]))
        return inference_state["obj_ids"], updated

    def reset_state(self, inference_state: State) -> None:
        """Removes all prompts and objects; the video stays open."""
        inference_state.session.reset()
        inference_state["obj_ids"].clear()
        inference_state.prompted.clear()

    def clear_all_points_in_video(self, inference_state: State) -> None:
        """As ``reset_state``, under the name that SAM 3's tracker has."""
        self.reset_state(inference_state)

    def _prompted(self, state: State, obj_id: int, frame: Frame) -> Result:
        if obj_id not in state["obj_ids"]:
            state["obj_ids"].append(obj_id)
        state.prompted.setdefault(obj_id, set()).add(frame.index)
        return self._result(state, frame)

    def _result(self, state: State, frame: Frame | None, index: int = 0) -> Result:
        size = (state["video_height"], state["video_width"])
        masks = np.zeros((len(state["obj_ids"]), 1, *size), np.bool_)
        if frame is not None:
            index = frame.index
            rows = {obj_id: row for row, obj_id in enumerate(state["obj_ids"])}
            for obj_id, mask in zip(frame.ids.tolist(), frame.masks):
                if obj_id in rows:
                    masks[rows[obj_id], 0] = mask
        return index, list(state["obj_ids"]), logits_of(masks)


def _id_of(obj_id: Any) -> int:
    value = plain(obj_id)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"obj_id: expected an integer from 0, got {obj_id!r}")
    return value
