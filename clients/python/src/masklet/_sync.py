"""The synchronous client. Generated from ``aio.py`` by ``tools/make_sync.py``; do not edit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Callable

import numpy as np

from . import _http, _tus
from ._core.backoff import Backoff
from ._core.frame_queue import FrameQueue
from ._ports import SyncPort
from ._sources import Picture, Source, encode_picture, is_pictures, plain, png_mask
from .errors import MaskletError
from .frames import Frame
from .masks import decode_rle
from .results import (
    Affected,
    ImportResult,
    Prediction,
    PromptResult,
    Suspect,
    VideoFacts,
    affected_of,
    encode_low_res,
    predictions_of,
)

__all__ = ["Client", "Propagation", "Session", "connect"]

_CAMERAS = ("rtsp://", "http://", "https://")


def connect(
    url: str = "ws://127.0.0.1:8765",
    key: str | None = None,
    *,
    reconnect: bool | Backoff = True,
    window: int = 16,
) -> Client:
    """Opens a connection to a server.

    Args:
        url: ``ws:``, ``wss:``, ``http:`` or ``https:``. Without a path, ``/v1`` is added.
        key: of a server that needs one. Default: the variable ``MASKLET_KEY``.
        reconnect: whether a lost connection is opened again. Requests and loops wait meanwhile, and every frame
            is received once. False: everything that waits fails with ``connection_lost``.
        window: frames of a stream that may wait for its loop; then the server computes no more.

    Raises:
        MaskletError: ``connection_failed``, or ``unauthenticated`` for a missing or invalid key.
    """
    port = SyncPort(url, key or os.environ.get("MASKLET_KEY") or None, reconnect, window)
    port.open()
    return Client(port)


class Client:
    """One connection, which is opened again when it is lost. Also a context manager."""

    def __init__(self, port: SyncPort) -> None:
        self._port = port

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start_session(
        self,
        source: Source | None = None,
        *,
        upload_id: str | None = None,
        live: bool = False,
        **fields: Any,
    ) -> Session:
        """Opens a video.

        Args:
            source: a video, a picture, or a folder of pictures, by its path. A path that the server cannot open
                is uploaded. Or pictures in memory: uint8 ``[n, h, w, 3]`` in RGB, or a list of arrays or of
                pictures of Pillow. Or the address of a camera (``rtsp://``, ``http://``).
            upload_id: an earlier upload, instead of a source.
            live: True for a session whose frames are pushed with ``push``.
            fields: further fields of ``start_session``, such as ``session_id``, ``policy`` or ``drop``.
        """
        given = [source is not None, upload_id is not None, live]
        if sum(given) != 1:
            raise ValueError("expected exactly one of source, upload_id and live=True")
        request: dict[str, Any] = {"type": "start_session", "mask_format": "binary", **plain(fields)}
        if live:
            return self._session(self._port.ask({**request, "live": True}))
        if isinstance(source, str) and source.startswith(_CAMERAS):
            return self._session(self._port.ask({**request, "camera_url": source}))
        where = {"upload_id": upload_id} if source is None else self._resource(source)
        try:
            return self._session(self._port.ask({**request, **where}))
        except MaskletError as error:
            is_elsewhere = error.code in ("resource_not_found", "resource_forbidden")
            if not is_elsewhere or source is None or not Path(str(source)).exists():
                raise
        facts = self.upload(source)
        return self._session(self._port.ask({**request, "upload_id": facts["upload_id"]}))

    def _resource(self, source: Source) -> dict[str, Any]:
        """Names a source in a request; uploads what the server cannot open by a path."""
        if is_pictures(source):
            return {"upload_id": (self.upload(source))["upload_id"]}
        path = Path(str(source))
        if not path.exists():
            return {"resource_path": str(source)}
        if self._port.endpoint.is_this_machine:
            return {"resource_path": str(path.resolve())}
        return {"upload_id": (self.upload(source))["upload_id"]}

    def _session(self, answer: dict[str, Any], token: str | None = None) -> Session:
        return Session(self._port, answer, token or answer["session_token"])

    def attach_session(
        self,
        token: str,
        *,
        watch: bool = False,
        after_seq: int | None = None,
        on_result: Callable[[dict[str, Any]], None] | None = None,
    ) -> Session:
        """Reaches a session by the ``token`` of its ``Session``, also from another process.

        Args:
            token: the secret of the session.
            watch: True to receive results without the right to change anything. Otherwise this client controls
                the session from now on.
            after_seq: ``seq`` of the last result that was received; later ones are sent again.
            on_result: receives results that answer requests of other clients, in the thread of the connection.
        """
        request = {"type": "attach_session", "session_token": token, "watch": watch}
        if after_seq is not None:
            request["after_seq"] = after_seq
        answer = self._port.ask(request)
        if on_result is not None:
            self._port.result_listeners[answer["session_id"]] = on_result
        return self._session(answer, token)

    def load_session(
        self, saved_id: str, source: Source | None = None, *, upload_id: str | None = None, **fields: Any
    ) -> Session:
        """Continues a saved session with its video, by a path or an upload."""
        if (source is None) == (upload_id is None):
            raise ValueError("expected exactly one of source and upload_id")
        where = {"upload_id": upload_id} if source is None else self._resource(source)
        request = {"type": "load_session", "saved_id": saved_id, "mask_format": "binary", **plain(fields)}
        return self._session(self._port.ask({**request, **where}))

    def upload(
        self,
        source: Source,
        *,
        filename: str | None = None,
        resume_file: str | os.PathLike[str] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, Any]:
        """Sends a file, a folder of pictures, or pictures in memory; returns the facts with ``upload_id``.

        After a lost connection, and after an error that waiting can cure, such as ``server_busy``, the upload
        continues with the bytes that the server does not have.

        Args:
            filename: a name for display. Default: that of the file or the folder.
            resume_file: a file that keeps an unfinished upload, so that the same call continues it after the program
                was started again. It is deleted at the end.
            on_progress: called with the bytes that are sent, and the size in bytes, in the thread of the upload.

        Raises:
            MaskletError: such as ``media_unsupported`` or ``upload_too_large``, and ``connection_failed`` when the
                server was not reached for more than two minutes.
        """
        return self._port.http(_tus.upload, source, filename, resume_file, on_progress)

    def delete_upload(self, upload_id: str) -> None:
        """Deletes the server's copy of a video. Sessions that use it continue."""
        self._port.http(_http.delete_upload, upload_id)

    def download_saved(self, saved_id: str, path: str | os.PathLike[str]) -> None:
        """Writes a saved session to a file."""
        self._port.http(_http.download_saved, saved_id, path)

    def send_saved(self, path: str | os.PathLike[str]) -> str:
        """Sends the file of a saved session; returns its ``saved_id`` for ``load_session``."""
        answer = self._port.http(_http.send_saved, path)
        return str(answer["saved_id"])

    def saved_sessions(self) -> list[dict[str, Any]]:
        """The saved sessions of the owner of the key, newest first.

        Each has ``saved_id``, ``name``, ``bytes``, ``saved_at``, ``expires_at`` and ``video``.
        """
        return self._port.http(_http.saved_sessions)

    def delete_saved(self, saved_id: str) -> None:
        """Deletes a saved session. Sessions that were loaded from it continue."""
        self._port.http(_http.delete_saved, saved_id)

    def import_formats(self) -> list[dict[str, Any]]:
        """The formats of ``Session.import_annotations``: ``id``, ``title``, ``extensions`` and ``as``."""
        return self._port.http(_http.import_formats)

    def export_formats(self) -> list[dict[str, Any]]:
        """The formats of ``Session.export``: ``id``, ``title``, ``media``, ``packing`` and ``options``."""
        return self._port.http(_http.export_formats)

    def server_facts(self) -> dict[str, Any]:
        """What the server is and can do: version, model pack, kinds of prompts, limits."""
        return self.request({"type": "get_server"})

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Any request that has one answer, with the fields of PROTOCOL.md. Arrays and tensors become lists."""
        return self._port.ask(plain(request))

    def on_event(self, listener: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Calls a listener for every event, in the thread of the connection. Returns what removes it."""
        self._port.event_listeners.append(listener)
        return lambda: self._port.event_listeners.remove(listener)

    @property
    def closed(self) -> bool:
        """True after ``close`` and ``detach``, and when the connection has ended for good."""
        return self._port.closed

    def close(self) -> None:
        """Closes the sessions that this client started, and ends the connection."""
        self._port.close(True)

    def detach(self) -> None:
        """Ends the connection and leaves the sessions open, for ``attach_session`` later."""
        self._port.close(False)


class Session:
    """One video with its prompts and objects. Every method raises MaskletError. Also a context manager.

    Coordinates are fractions of the frame, 0 to 1, unless ``pixels=True``.
    """

    def __init__(self, port: SyncPort, answer: dict[str, Any], token: str) -> None:
        self._port = port
        self.id: str = answer["session_id"]
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

    def _ask(self, type: str, **fields: Any) -> dict[str, Any]:
        given = {name: plain(value) for name, value in fields.items() if value is not None}
        return self._port.ask({"type": type, "session_id": self.id, **given})

    def _edit(self, type: str, **fields: Any) -> list[Affected]:
        return affected_of(self._ask(type, **fields))

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

    def remove_object(self, obj_id: int) -> list[Affected]:
        """Removes an object from every frame."""
        return self._edit("remove_object", obj_id=obj_id)

    def undo(self) -> dict[str, Any]:
        """Takes back the last edit. Returns ``edit``, ``affected``, ``can_undo`` and ``can_redo``."""
        return self._ask("undo")

    def redo(self) -> dict[str, Any]:
        """Carries out again the edit that was undone last."""
        return self._ask("redo")

    def lock_frames(self, first: int, last: int, *, obj_id: int | None = None, locked: bool = True) -> list[Affected]:
        """Keeps the stored masks of the frames ``first`` to ``last`` as they are, or unlocks them.

        Without ``obj_id``: those of every object.
        """
        return self._edit("lock_frames", first_frame_index=first, last_frame_index=last, obj_id=obj_id, locked=locked)

    def mark_absent(self, obj_id: int, first: int, last: int, *, absent: bool = True) -> list[Affected]:
        """Marks an object absent on the frames ``first`` to ``last``, or ends that."""
        return self._edit("mark_absent", obj_id=obj_id, first_frame_index=first, last_frame_index=last, absent=absent)

    def merge_objects(self, obj_id: int, other_obj_ids: Sequence[int]) -> list[Affected]:
        """Makes other objects a part of an object."""
        return self._edit("merge_objects", obj_id=obj_id, other_obj_ids=list(other_obj_ids))

    def split_object(self, obj_id: int, frame_index: int, *, new_obj_id: int | None = None) -> int:
        """Makes an object another one from a frame on. Returns the id of the new object."""
        answer = self._ask("split_object", obj_id=obj_id, frame_index=frame_index, new_obj_id=new_obj_id)
        return int(answer["new_obj_id"])

    def swap_objects(self, obj_id: int, other_obj_id: int, frame_index: int) -> list[Affected]:
        """Exchanges the identities of two objects from a frame on."""
        return self._edit("swap_objects", obj_id=obj_id, other_obj_id=other_obj_id, frame_index=frame_index)

    def rename(self, name: str | None, *, obj_id: int | None = None, concept: str | None = None) -> list[Affected]:
        """Names an object or a concept; None removes the name."""
        return self._edit("rename", obj_id=obj_id, concept=concept, name=name)

    def remove_concept(self, concept: str) -> list[Affected]:
        """Removes a concept and the objects that it detected."""
        return self._edit("remove_concept", concept=concept)

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


class Propagation:
    """The frames of one propagation. It starts with the first step of the loop."""

    def __init__(self, port: SyncPort, request: dict[str, Any], frame: Callable[[dict[str, Any]], Frame]) -> None:
        self._port = port
        self._request = request
        self._frame = frame
        self._queue: FrameQueue | None = None
        self.cancelled: bool | None = None
        """After the end: whether the propagation was cancelled."""

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        if self._queue is None:
            self._queue = self._port.stream(self._request)
        message = self._port.next_frame(self._queue)
        if message is not None:
            return self._frame(message)
        done = self._queue.done or {}
        self.cancelled = bool(done.get("cancelled"))
        raise StopIteration

    def close(self) -> None:
        """Cancels the propagation, and waits until it has ended."""
        if self._queue is not None:
            self._port.end_stream(self._request["session_id"], self._queue)

    def __del__(self) -> None:
        if self._queue is not None and not self._queue.has_ended:
            self._port.leave_stream(self._request["session_id"], self._queue)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
