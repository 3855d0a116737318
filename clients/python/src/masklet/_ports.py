"""How a client waits: in the event loop of its caller, or in a thread of its own for callers without one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Callable, TypeVar

from ._core.backoff import Backoff
from ._core.endpoint import Endpoint, endpoint_of
from ._core.frame_queue import FrameQueue
from ._link import Link, Message

_T = TypeVar("_T")

Listener = Callable[[Message], None]


class _Port:
    """What both kinds of ports have."""

    _link: Link
    _loop: asyncio.AbstractEventLoop

    def __init__(self, url: str, key: str | None, reconnect: bool | Backoff, window: int) -> None:
        self.endpoint: Endpoint = endpoint_of(url, key)
        self._backoff = reconnect if isinstance(reconnect, Backoff) else Backoff() if reconnect else None
        self._window = window
        self.event_listeners: list[Listener] = []
        self.result_listeners: dict[str, Listener] = {}

    def _make_link(self) -> Link:
        return Link(
            self.endpoint,
            backoff=self._backoff,
            window=self._window,
            on_event=self._on_event,
            on_other=self._on_other,
        )

    def post(self, request: Message) -> None:
        """Sends a request without waiting for its answer. May be called from a destructor in any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._link.post, request)

    def leave_stream(self, session_id: str, queue: FrameQueue) -> None:
        """Ends a stream without waiting. May be called from a destructor in any thread."""
        if not self._loop.is_closed():
            self._link.left_streams.append((session_id, queue))
            self._loop.call_soon_threadsafe(self._link.end_left_streams)

    @property
    def closed(self) -> bool:
        """True when the connection has ended for good."""
        return self._loop.is_closed() or self._link.has_ended

    def _on_event(self, event: Message) -> None:
        for listener in list(self.event_listeners):
            listener(event)

    def _on_other(self, message: Message) -> None:
        listener = self.result_listeners.get(message.get("session_id", ""))
        if listener is not None:
            listener(message)


class AsyncPort(_Port):
    """Waits in the running event loop."""

    async def open(self) -> None:
        self._link = self._make_link()
        self._loop = asyncio.get_running_loop()
        await self._link.open()

    async def ask(self, request: Message, picture: bytes | None = None) -> Message:
        return await self._link.ask(request, picture)

    async def stream(self, request: Message) -> FrameQueue:
        return await self._link.stream(request)

    async def next_frame(self, queue: FrameQueue) -> Message | None:
        return await self._link.next_frame(queue)

    async def end_stream(self, session_id: str, queue: FrameQueue) -> None:
        self.leave_stream(session_id, queue)
        self._link.end_left_streams()
        await self._link.wait_stream_end(queue)

    async def http(self, function: Callable[..., _T], *args: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(None, lambda: function(self.endpoint, *args))

    async def close(self, close_sessions: bool) -> None:
        await close_link(self._link, close_sessions)


class SyncPort(_Port):
    """Waits for the event loop of a thread, which also answers pings while the caller computes."""

    def open(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="masklet", daemon=True)
        self._thread.start()
        try:
            self._run(self._open())
        except BaseException:
            self._stop()
            raise

    async def _open(self) -> None:
        self._link = self._make_link()
        await self._link.open()

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        if self._loop.is_closed():
            coroutine.close()
            raise RuntimeError("the client is closed")
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("a listener runs in the thread of the connection and cannot wait for an answer there")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def ask(self, request: Message, picture: bytes | None = None) -> Message:
        return self._run(self._link.ask(request, picture))

    def stream(self, request: Message) -> FrameQueue:
        return self._run(self._link.stream(request))

    def next_frame(self, queue: FrameQueue) -> Message | None:
        return self._run(self._link.next_frame(queue))

    def end_stream(self, session_id: str, queue: FrameQueue) -> None:
        self.leave_stream(session_id, queue)
        if not self._loop.is_closed():
            self._run(self._link.wait_stream_end(queue))

    def http(self, function: Callable[..., _T], *args: Any) -> _T:
        return function(self.endpoint, *args)

    def close(self, close_sessions: bool) -> None:
        if self._loop.is_closed():
            return
        try:
            self._run(close_link(self._link, close_sessions))
        finally:
            self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def close_link(link: Link, close_sessions: bool) -> None:
    """Ends a connection, after the requests that close its sessions were sent."""
    if close_sessions and link.exchange.is_open:
        for session_id in link.exchange.own_sessions():
            link.post({"type": "close_session", "session_id": session_id})
    await link.close()
