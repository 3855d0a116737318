"""The WebSocket of a client, which is opened again when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections import deque
from typing import Any, Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from ._core.backoff import STOPPED, Backoff, is_fatal
from ._core.endpoint import Endpoint
from ._core.exchange import Exchange
from ._core.frame_queue import FrameQueue
from .errors import MaskletError

Message = dict[str, Any]

_CONNECT_S = 20.0
_UNAUTHENTICATED = 4401


class Link:
    """One client's connection and its exchange. Its methods run in one event loop."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        backoff: Backoff | None,
        window: int,
        on_event: Callable[[Message], None],
        on_other: Callable[[Message], None],
    ) -> None:
        self.endpoint = endpoint
        self._backoff = backoff
        self.exchange = Exchange(self._enqueue, on_event=on_event, on_other=on_other, window=window)
        self._outgoing: deque[str | bytes] = deque()
        self._has_outgoing = asyncio.Event()
        self._is_closing = False
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._open_streams: dict[str, list[FrameQueue]] = {}
        self.left_streams: deque[tuple[str, FrameQueue]] = deque()
        """Streams that their reader left before the end. Any thread may add one."""

    async def open(self) -> None:
        """Opens the first connection. Raises MaskletError when that is not possible."""
        socket = await self._connect()
        self._task = asyncio.create_task(self._run(socket))

    async def close(self) -> None:
        """Ends the connection for good, after the messages that wait were sent."""
        self._is_closing = True
        self._closing.set()
        self._has_outgoing.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def ask(self, request: Message, picture: bytes | None = None) -> Message:
        """Returns the answer to a request."""
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def resolve(message: Message) -> None:
            if not answer.done():
                answer.set_result(message)

        def reject(error: MaskletError) -> None:
            if not answer.done():
                answer.set_exception(error)

        self.exchange.ask(request, resolve, reject, picture)
        return await answer

    def post(self, request: Message) -> None:
        """Sends a request whose answer and failure do not matter."""
        with contextlib.suppress(MaskletError):
            self.exchange.ask(request, lambda _: None, lambda _: None)

    @property
    def has_ended(self) -> bool:
        """True when the connection has ended for good."""
        return self._task is None or self._task.done()

    async def stream(self, request: Message) -> FrameQueue:
        """Starts a stream, after the streams of its session that were left early have ended."""
        self.end_left_streams()
        left = self._open_streams.setdefault(request["session_id"], [])
        for queue in left:
            await _until(queue, lambda queue=queue: queue.has_ended)  # type: ignore[misc]
        left.clear()
        return self.exchange.stream(request)

    async def next_frame(self, queue: FrameQueue) -> Message | None:
        """The next frame of a stream; None at its end."""
        await _until(queue, lambda: queue.is_ready)
        return queue.take()

    def end_left_streams(self) -> None:
        """Ends the streams in ``left_streams``."""
        while self.left_streams:
            self._leave_stream(*self.left_streams.popleft())

    def _leave_stream(self, session_id: str, queue: FrameQueue) -> None:
        queue.drain()
        if queue.has_ended:
            return
        self._open_streams.setdefault(session_id, []).append(queue)
        self.post({"type": "cancel_propagation", "session_id": session_id})

    async def wait_stream_end(self, queue: FrameQueue) -> None:
        await _until(queue, lambda: queue.has_ended)

    # The connection

    def _enqueue(self, data: str | bytes) -> None:
        self._outgoing.append(data)
        self._has_outgoing.set()

    async def _connect(self) -> ClientConnection:
        options: dict[str, Any] = {}
        if self.endpoint.is_this_machine and _has_proxy_argument():
            options["proxy"] = None
        try:
            return await connect(
                self.endpoint.socket_url,
                subprotocols=[Subprotocol("masklet.v1")],
                additional_headers=self.endpoint.headers,
                max_size=None,
                compression=None,
                open_timeout=_CONNECT_S,
                **options,
            )
        except InvalidStatus as refusal:
            body = bytes(refusal.response.body or b"")
            raise refusal_of(refusal.response.status_code, body, "connection_failed") from refusal
        except (OSError, TimeoutError, asyncio.TimeoutError, InvalidHandshake) as cause:
            message = f"no connection to {self.endpoint.socket_url}: {cause or type(cause).__name__}"
            raise MaskletError("connection_failed", message, retryable=True) from cause

    async def _run(self, socket: ClientConnection) -> None:
        """Serves the connection, and opens it again, until it ends for good."""
        error = MaskletError("connection_lost", "the connection ended", retryable=True)
        current: ClientConnection | None = socket
        while current is not None:
            code, reason = await self._serve(current)
            text = f"the connection ended with code {code}" + (f" ({reason})" if reason else "")
            is_key = code == _UNAUTHENTICATED
            error = MaskletError("unauthenticated" if is_key else "connection_lost", text, retryable=not is_key)
            if self._is_closing or self._backoff is None or is_fatal(code):
                break
            self.exchange.on_lost()
            self._outgoing.clear()
            if code == STOPPED:
                stopped = f"the server was stopped, and its sessions with it (code {code})"
                self.exchange.lose_sessions(MaskletError("connection_lost", stopped, retryable=True))
            try:
                current = await self._connect_again(self._backoff)
            except MaskletError as refusal:
                error, current = refusal, None
            if current is not None:
                self.exchange.on_open_again()
        self.exchange.lose(error)

    async def _connect_again(self, backoff: Backoff) -> ClientConnection | None:
        pause_s = self.exchange.retry_after_ms / 1000
        self.exchange.retry_after_ms = 0
        for attempt in range(backoff.max_attempts):
            try:
                await asyncio.wait_for(self._closing.wait(), pause_s + backoff.delay_s(attempt))
                return None
            except (TimeoutError, asyncio.TimeoutError):
                pause_s = 0
            try:
                return await self._connect()
            except MaskletError as error:
                if not error.retryable:
                    raise
        return None

    async def _serve(self, socket: ClientConnection) -> tuple[int, str]:
        """Sends and receives until the connection ends. Returns the close code and the reason."""
        writer = asyncio.create_task(self._write(socket))
        try:
            async for data in socket:
                try:
                    self.exchange.receive(data)
                except ValueError as cause:
                    await socket.close(1002)
                    message = f"the server sent a message that is not of masklet.v1: {cause}"
                    self.exchange.lose(MaskletError("connection_lost", message))
        except ConnectionClosed:
            pass
        finally:
            writer.cancel()
            await asyncio.wait([writer])
        return socket.close_code or 1006, socket.close_reason or ""

    async def _write(self, socket: ClientConnection) -> None:
        try:
            while True:
                while self._outgoing:
                    # After the last await of send the message belongs to the socket.
                    await socket.send(self._outgoing[0])
                    self._outgoing.popleft()
                if self._is_closing:
                    await socket.close()
                    return
                self._has_outgoing.clear()
                await self._has_outgoing.wait()
        except ConnectionClosed:
            return


async def _until(queue: FrameQueue, is_reached: Callable[[], bool]) -> None:
    """Waits for changes of a queue. One caller waits for a queue at a time."""
    while not is_reached():
        changed = asyncio.Event()
        queue.on_change = changed.set
        await changed.wait()


def refusal_of(status: int, body: bytes, code: str = "internal") -> MaskletError:
    """The error of an HTTP answer that is no success."""
    try:
        error = MaskletError.from_report(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        # The answer of a proxy, for example, or one without a body.
        error = MaskletError(code, f"HTTP status {status}", retryable=status >= 500)
    error.status = status
    return error


def _has_proxy_argument() -> bool:
    """Whether ``connect`` of this version of websockets has the argument ``proxy``."""
    return "proxy" in inspect.signature(connect.__init__).parameters
