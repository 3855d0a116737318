# Generated from ``aio`` by ``tools/make_sync.py``; do not edit.
"""A session: prompts, propagations, results and files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import _http
from .._ports import SyncPort
from .._sources import Picture, encode_picture, plain, png_mask
from ..frames import Frame
from ..masks import decode_rle
from ..results import (
    ImportResult,
    Prediction,
    PromptResult,
    Suspect,
    VideoFacts,
    affected_of,
    encode_low_res,
    predictions_of,
)
from .edits import SessionEdits
from .propagation import Propagation


class Session(SessionEdits):
    """One video with its prompts and objects. Every method raises MaskletError. Also a context manager.

    Coordinates are fractions of the frame, 0 to 1, unless ``pixels=True``.
    """

    def __init__(self, port: SyncPort, answer: dict[str, Any], token: str) -> None:
        super().__init__(port, answer["session_id"])
        self.token = token
        """The secret for ``attach_session``, also from another process."""
        self.video = VideoFacts.of(answer)
        self.restored: str | None = answer.get("restored")
        """After ``load_session``: ``exactly`` or ``from_masks``."""
        self._size: tuple[int, int] = (self.video.width, self.video.height)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _leave(self) -> None:
        """Ends the session without waiting. May be called from a destructor in any thread."""
        self._port.post({"type": "close_session", "session_id": self.id})

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of the frames in pixels; ``(0, 0)`` before the first frame of a live session."""
        return self._size

    def _frame(self, answer: dict[str, Any]) -> Frame:
        return Frame(answer, *self._size)

    def _measure(self) -> None:
        """Reads the size of a live session, which its first frame sets."""
        if self._size[0] == 0:
            facts = self._ask("get_session")
            self._size = (facts["width"], facts["height"])

    def add_prompt(
        self,
        *,
        frame_index: int | str = 0,
        text: str | None = None,
        text_label: int | None = None,
        points: Any = None,
        labels: Any = None,
        box: Any = None,
        boxes: Any = None,
        box_labels: Any = None,
        mask: Any = None,
        obj_id: int | None = None,
        pixels: bool = False,
        clear_old_points: bool | None = None,
        clear_old_boxes: bool | None = None,
        output_prob_thresh: float | None = None,
        replace: bool | None = None,
        track_others: bool | None = None,
        semantic_map: bool | None = None,
    ) -> PromptResult:
        """Adds a phrase, exemplars, clicks, a box or a mask on one frame.

        Args:
            frame_index: the frame; in live sessions also ``latest``.
            text: a short noun phrase; every instance of it becomes an object.
            text_label: 0 for a negative phrase, whose instances are not objects.
            points: ``[p, 2]``, x and y of clicks on one object.
            labels: ``[p]``, 1 on the object, 0 off it. Default: all 1.
            box: ``[x0, y0, x1, y1]``, the corners of one object's box.
            boxes: ``[b, 4]``, corners of exemplars of a concept, alone or with ``text``.
            box_labels: ``[b]``, 1 for positive exemplars, 0 for negative ones. Default: all 1.
            mask: ``[h, w]`` at the size of the video; pixels above 0 belong to the object.
            obj_id: the object of the clicks, the box or the mask. Default: a new one.
            pixels: True when points and boxes are in pixels of the video.
            clear_old_points: False keeps the object's earlier points on this frame.
            clear_old_boxes: False keeps the object's earlier box on this frame.
            output_prob_thresh: omits objects below this probability. Default: 0.5.
            replace: True discards earlier concepts and their objects first.
            track_others: False is faster for prompts on one object with many others: these are in the result only
                where this frame has stored masks of them.
            semantic_map: True returns a map that combines all instances of the concept.
        """
        if box is not None and boxes is not None:
            raise ValueError("expected box (one object) or boxes (exemplars), got both")
        if box is not None and obj_id is None:
            # Without an id, the box would be an exemplar.
            obj_id = self._free_id()
        corners = boxes if box is None else [box]
        if corners is not None:
            corners = np.asarray(plain(corners), np.float64).reshape(-1, 4)
            sizes = corners[:, 2:] - corners[:, :2]
            corners = np.concatenate([corners[:, :2], sizes], axis=1).tolist()
            if box is None and box_labels is None:
                box_labels = [1] * len(corners)
        if points is not None:
            points = np.asarray(plain(points), np.float64).reshape(-1, 2).tolist()
            labels = [1] * len(points) if labels is None else np.ravel(plain(labels)).tolist()
        answer = self._ask(
            "add_prompt",
            frame_index=frame_index,
            text=text,
            text_label=text_label,
            points=points,
            point_labels=labels,
            bounding_boxes=corners,
            bounding_box_labels=box_labels,
            mask=None if mask is None else png_mask(mask),
            obj_id=obj_id,
            rel_coordinates=not pixels,
            clear_old_points=clear_old_points,
            clear_old_boxes=clear_old_boxes,
            output_prob_thresh=output_prob_thresh,
            replace=replace,
            track_others=track_others,
            semantic_map=semantic_map,
        )
        self._measure()
        return PromptResult(
            self._frame(answer),
            answer.get("obj_id"),
            affected_of(answer),
            decode_rle(answer["semantic_map"]["mask"]) if "semantic_map" in answer else None,
            answer.get("vocabulary_coverage"),
            tuple(answer.get("unknown_words", ())),
        )

    def _free_id(self) -> int:
        facts = self._ask("get_session")
        return max(facts["obj_ids"], default=-1) + 1

    def predict(
        self,
        *,
        frame_index: int | str = 0,
        points: Any = None,
        labels: Any = None,
        boxes: Any = None,
        mask_input: Any = None,
        multimask_output: bool = True,
        return_low_res_masks: bool = False,
        pixels: bool = False,
    ) -> list[Prediction]:
        """Masks for prompts on one frame, as SAM's ``predict_torch``. The objects of the session do not change.

        Args:
            points: ``[b, p, 2]``, clicks of ``b`` prompts; ``[p, 2]`` for one prompt.
            labels: ``[b, p]`` or ``[p]``, 1 on the object, 0 off it. Default: all 1.
            boxes: ``[b, 4]`` or ``[4]``, corners ``[x0, y0, x1, y1]``.
            mask_input: logits ``[rows, columns]`` of an earlier prediction.

        Returns:
            One prediction for each prompt.
        """
        if points is not None:
            array = np.asarray(plain(points), np.float64)
            points = array.reshape(-1, *array.shape[-2:])
            shape = points.shape[:2]
            labels = np.ones(shape, int) if labels is None else np.asarray(plain(labels), int).reshape(shape)
        answer = self._ask(
            "predict",
            frame_index=frame_index,
            point_coords=points,
            point_labels=labels,
            boxes=None if boxes is None else np.asarray(plain(boxes), np.float64).reshape(-1, 4),
            mask_input=None if mask_input is None else encode_low_res(np.asarray(plain(mask_input))),
            multimask_output=multimask_output,
            return_low_res_masks=return_low_res_masks,
            rel_coordinates=not pixels,
        )
        return predictions_of(answer)

    def propagate(
        self,
        direction: str = "both",
        *,
        start_frame_index: int | None = None,
        max_frame_num_to_track: int | None = None,
        scope: str | None = None,
        obj_ids: Sequence[int] | None = None,
        output_prob_thresh: float | None = None,
        changed_only: bool | None = None,
        window: int | None = None,
    ) -> Propagation:
        """Tracks all prompted objects; a loop over the result gets the frames as they are computed.

        The server waits while the loop does not take frames. Leaving the loop early cancels the propagation.

        Args:
            direction: ``forward``, ``backward`` (without the start frame) or ``both``: forward, then backward.
            start_frame_index: default: the first prompted frame.
            max_frame_num_to_track: distance in frames from the start frame. Default: to the end of the video.
            scope: ``all``; ``affected``, the frames that edits made stale; ``stored``, stored results only.
            obj_ids: compute, or read, only these objects; the others keep their stored results. Default: all.
        """
        fields = {
            "type": "propagate_in_video",
            "session_id": self.id,
            "propagation_direction": direction,
            "start_frame_index": start_frame_index,
            "max_frame_num_to_track": max_frame_num_to_track,
            "scope": scope,
            "obj_ids": None if obj_ids is None else list(obj_ids),
            "output_prob_thresh": output_prob_thresh,
            "changed_only": changed_only,
            "window": window,
        }
        request = {name: plain(value) for name, value in fields.items() if value is not None}
        return Propagation(self._port, request, self._frame)

    def stored(self, first: int = 0, last: int | None = None) -> list[Frame]:
        """The stored results of a range of frames, both ends inclusive, without computing."""
        distance = None if last is None else last - first
        frames = []
        stream = self.propagate("forward", start_frame_index=first, max_frame_num_to_track=distance, scope="stored")
        for frame in stream:
            frames.append(frame)
        return frames

    def cancel(self) -> None:
        """Ends the running propagation. Its loop gets the frames computed so far and ends."""
        self._ask("cancel_propagation")

    def push(
        self,
        frame_bgr: Picture,
        *,
        timestamp_us: int | None = None,
        output_prob_thresh: float | None = None,
        rgb: bool = False,
    ) -> Frame:
        """Sends one frame of a live session and returns its objects.

        Args:
            frame_bgr: uint8 ``[h, w, 3]`` in BGR, as OpenCV reads frames; in RGB with ``rgb=True``. Or the bytes
                of a JPEG, PNG or WebP file, or a picture of Pillow.
            timestamp_us: time of the frame in microseconds. Default: the time since the first frame arrived.
        """
        if isinstance(frame_bgr, np.ndarray) and frame_bgr.ndim == 3 and not rgb:
            frame_bgr = frame_bgr[:, :, ::-1]
        fields = {"timestamp_us": timestamp_us, "output_prob_thresh": output_prob_thresh}
        request = {name: plain(value) for name, value in fields.items() if value is not None}
        picture = encode_picture(frame_bgr)
        answer = self._port.ask({"type": "push_frame", "session_id": self.id, **request}, picture)
        self._measure()
        return self._frame(answer)

    def reset(self) -> None:
        """Removes every prompt and object; the video stays open."""
        self._ask("reset_session")

    def get(self) -> dict[str, Any]:
        """The state of the session: concepts, objects, whether it propagates; see ``get_session``."""
        return self._ask("get_session")

    def suspects(self, limit: int = 100) -> list[Suspect]:
        """Masks that may be wrong, worst first."""
        answer = self._ask("list_suspects", limit=limit)
        return [Suspect(**one) for one in answer["suspects"]]

    def save(self, path: str | os.PathLike[str] | None = None) -> str:
        """Writes the session into a file on the server, and to ``path`` if given. Returns its ``saved_id``."""
        answer = self._ask("save_session")
        if path is not None:
            self._port.http(_http.download_saved, answer["saved_id"], path)
        return str(answer["saved_id"])

    def export(
        self,
        format: str,
        path: str | os.PathLike[str],
        *,
        frames: tuple[int, int] | None = None,
        objects: Sequence[int] | None = None,
        **options: Any,
    ) -> Path:
        """Writes the stored results to ``path`` in the format of another tool, such as ``coco`` or ``mot``.

        Args:
            format: an ``id`` of ``Client.export_formats``. Formats of several files make a ZIP archive.
            frames: first and last frame, both inclusive. Default: all stored frames.
            objects: ids of the objects. Default: all.
            options: of the format.
        """
        query = {name: _text(value) for name, value in options.items()}
        if frames is not None:
            query["frames"] = f"{frames[0]}-{frames[1]}"
        if objects is not None:
            query["objects"] = ",".join(str(one) for one in objects)
        return self._port.http(_http.export, self.id, format, path, query)

    def import_annotations(
        self, source: str | os.PathLike[str] | bytes, format: str, *, locked: bool = False
    ) -> ImportResult:
        """Adds the annotations of another tool, such as a file of ``export`` after it was corrected.

        Annotations for frames outside the video and for pictures of another size are left out; ``skipped`` of the
        result has the reasons.

        Args:
            source: a file, the folder of a format with several files, a ZIP archive of it, or the bytes of a file.
            format: an ``id`` of ``Client.import_formats``, such as ``coco``.
            locked: False makes every mask or box a prompt, from which ``propagate`` computes the other frames. True
                also locks the frames of the masks, which keeps them as they are. Boxes cannot be locked.

        Raises:
            MaskletError: ``invalid_field`` for a file that cannot be read or of which nothing fits the video; the
                session is then as before.
        """
        query = {"format": format, "as": "locked" if locked else "prompts"}
        return ImportResult.of(self._port.http(_http.import_annotations, self.id, source, query))

    def close(self) -> None:
        """Ends the session."""
        self._ask("close_session")

    def detach(self) -> None:
        """Leaves the session without ending it."""
        self._ask("detach_session")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
