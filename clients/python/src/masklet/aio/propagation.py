"""A propagation: its frames as a loop takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Callable

from .._core.frame_queue import FrameQueue
from .._ports import AsyncPort
from ..frames import Frame


class Propagation:
    """The frames of one propagation. It starts with the first step of the loop."""

    def __init__(self, port: AsyncPort, request: dict[str, Any], frame: Callable[[dict[str, Any]], Frame]) -> None:
        self._port = port
        self._request = request
        self._frame = frame
        self._queue: FrameQueue | None = None
        self.cancelled: bool | None = None
        """After the end: whether the propagation was cancelled."""

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self

    async def __anext__(self) -> Frame:
        if self._queue is None:
            self._queue = await self._port.stream(self._request)
        message = await self._port.next_frame(self._queue)
        if message is not None:
            return self._frame(message)
        done = self._queue.done or {}
        self.cancelled = bool(done.get("cancelled"))
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Cancels the propagation, and waits until it has ended."""
        if self._queue is not None:
            await self._port.end_stream(self._request["session_id"], self._queue)

    def __del__(self) -> None:
        if self._queue is not None and not self._queue.has_ended:
            self._port.leave_stream(self._request["session_id"], self._queue)
