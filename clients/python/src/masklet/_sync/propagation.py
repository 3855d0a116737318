# Generated from ``aio`` by ``tools/make_sync.py``; do not edit.
"""A propagation: its frames as a loop takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

from .._core.frame_queue import FrameQueue
from .._ports import SyncPort
from ..frames import Frame


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
