# Generated from ``aio`` by ``tools/make_sync.py``; do not edit.
"""Connections: sessions, uploads and saved files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable

from .. import _http, _tus
from .._core.backoff import Backoff
from .._ports import SyncPort
from .._sources import Source, is_pictures, plain
from ..errors import MaskletError
from .session import Session

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
