"""SAM 3's video predictor, served by masklet: change the import, keep the rest.

>>> from masklet.sam3 import build_sam3_video_predictor  # was: from sam3.model_builder
>>> predictor = build_sam3_video_predictor()
>>> session = predictor.handle_request({"type": "start_session", "resource_path": "dog.mp4"})

The requests and the keys of the answers are those of ``sam3/model/sam3_video_predictor.py``. ``outputs`` has
``out_obj_ids`` int64 ``[n]``, ``out_probs`` float32 ``[n]``, ``out_boxes_xywh`` float32 ``[n, 4]`` (0 to 1 of the
frame) and ``out_binary_masks`` bool ``[n, h, w]``. The model is the pack of the server, by default a small one:
weights, checkpoints and devices that the arguments name are not used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ._private import connect_or_serve
from ._sources import depth_of, plain
from ._sync import Session
from .frames import Frame

__all__ = ["Sam3VideoPredictor", "Sam3VideoPredictorMultiGPU", "build_sam3_video_predictor"]

_PROMPT_FIELDS = (
    "text",
    "points",
    "point_labels",
    "bounding_boxes",
    "bounding_box_labels",
    "obj_id",
    "clear_old_points",
    "clear_old_boxes",
    "rel_coordinates",
    "output_prob_thresh",
)
_PROPAGATION_FIELDS = ("start_frame_index", "max_frame_num_to_track", "output_prob_thresh")


def build_sam3_video_predictor(
    *args: Any, url: str | None = None, key: str | None = None, **kwargs: Any
) -> Sam3VideoPredictor:
    """A predictor on the server ``url``; default: ``MASKLET_URL``, else a private server that is started.

    The arguments of SAM 3 (``gpus_to_use``, ``checkpoint_path``, ``bpe_path``, ...) are accepted without effect.
    """
    return Sam3VideoPredictor(*args, url=url, key=key, **kwargs)


class Sam3VideoPredictor:
    """``handle_request`` and ``handle_stream_request`` of SAM 3."""

    def __init__(self, *_: Any, url: str | None = None, key: str | None = None, **__: Any) -> None:
        self._client = connect_or_serve(url, key)
        self._sessions: dict[str, Session] = {}
        self._is_shut_down = False

    def handle_request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carries out one request. Raises RuntimeError for an unknown type or session, MaskletError otherwise."""
        self._require_running()
        kind = request.get("type")
        if kind == "start_session":
            return self._start(request)
        if kind == "close_session":
            session = self._sessions.pop(request["session_id"], None)
            if session is not None:
                session.close()
            return {"is_success": True}
        if kind == "add_prompt":
            return self._add_prompt(request)
        if kind in ("remove_object", "reset_session", "cancel_propagation"):
            session = self._session(request)
            fields = {"obj_id": request["obj_id"]} if kind == "remove_object" else {}
            self._client.request({"type": kind, "session_id": session.id, **fields})
            return {"is_success": True}
        raise RuntimeError(f"invalid request type: {kind}")

    def handle_stream_request(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yields ``{"frame_index", "outputs"}`` for each frame of ``propagate_in_video``."""
        self._require_running()
        if request.get("type") != "propagate_in_video":
            raise RuntimeError(f"invalid request type: {request.get('type')}")
        session = self._session(request)
        fields = {name: plain(request.get(name)) for name in _PROPAGATION_FIELDS}
        frames = session.propagate(request.get("propagation_direction") or "both", **fields)
        try:
            for frame in frames:
                yield {"frame_index": frame.index, "outputs": outputs_of(frame)}
        finally:
            frames.close()

    def shutdown(self) -> None:
        """Closes the sessions. Later requests raise RuntimeError."""
        if not self._is_shut_down:
            self._is_shut_down = True
            self._client.close()

    def _require_running(self) -> None:
        if self._is_shut_down:
            raise RuntimeError("the predictor has been shut down")

    def _session(self, request: dict[str, Any]) -> Session:
        session_id = request["session_id"]
        if session_id not in self._sessions:
            raise RuntimeError(f"cannot find session {session_id}; it might have expired")
        return self._sessions[session_id]

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        session_id = request.get("session_id") or None
        fields = {}
        if session_id is not None:
            fields["session_id"] = session_id
            # SAM 3 replaces an open session with the same id.
            former = self._sessions.pop(session_id, None)
            if former is not None:
                former.close()
        session = self._client.start_session(request["resource_path"], **fields)
        self._sessions[session.id] = session
        return {"session_id": session.id}

    def _add_prompt(self, request: dict[str, Any]) -> dict[str, Any]:
        session = self._session(request)
        fields = {name: plain(request[name]) for name in _PROMPT_FIELDS if request.get(name) is not None}
        if "points" in fields:
            fields["points"] = _of_one_object(fields["points"], 2)
            fields["point_labels"] = _of_one_object(fields.get("point_labels", []), 1)
        elif fields.get("obj_id") is None:
            # In SAM 3 a phrase or an exemplar starts again without the earlier objects.
            fields["replace"] = True
        message = self._client.request(
            {
                "type": "add_prompt",
                "session_id": session.id,
                "frame_index": int(request["frame_index"]),
                **fields,
            }
        )
        frame = Frame(message, session.video.width, session.video.height)
        return {"frame_index": frame.index, "outputs": outputs_of(frame)}

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.shutdown()


Sam3VideoPredictorMultiGPU = Sam3VideoPredictor


def outputs_of(frame: Frame) -> dict[str, Any]:
    """The ``outputs`` of SAM 3: NumPy arrays with one entry for each object."""
    return {
        "out_obj_ids": frame.ids,
        "out_probs": frame.scores,
        "out_boxes_xywh": frame.boxes_xywh,
        "out_binary_masks": frame.masks,
        "frame_stats": frame.outputs.get("frame_stats"),
    }


def _of_one_object(values: Any, depth: int) -> Any:
    """Removes leading axes of length 1: SAM 3 accepts points as ``[p, 2]`` and as ``[1, p, 2]``."""
    while depth_of(values) > depth and len(values) == 1:
        values = values[0]
    return values
