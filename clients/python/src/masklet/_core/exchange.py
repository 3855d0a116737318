"""Requests and their answers: gives each request an id, and delivers what comes back under that id.

A session that is being started has a token chosen by the client, so that it is found again when the answer was
lost with the connection. After the connection is open again, the client attaches to each of its sessions,
receives the results that it missed, and then sends the requests that have not reached the server. These are
neither answered by the replay nor pending on the server. ``clients/typescript`` has the same rules.
"""

from __future__ import annotations

import json
import secrets
from typing import Any, Callable

from ..errors import MaskletError
from ..masks import decode_message, encode_envelope
from .frame_queue import FrameQueue
from .requests import KnownSession, Outstanding, Replay

Message = dict[str, Any]

_ENDING_EVENTS = frozenset({"session_expired", "session_lost", "session_saved"})
"""Events after which the session exists no more. Requests that wait get their answers from the server."""


class Exchange:
    """The state of one client. All methods run in one thread.

    Args:
        send: transmits a text or binary message; drops it while there is no connection.
        on_event: receives the events of the server, and ``session_lost`` for sessions that ended meanwhile.
        on_other: receives results that answer requests of other clients.
        window: frames of a stream that may wait for its loop.
    """

    def __init__(
        self,
        send: Callable[[str | bytes], None],
        *,
        on_event: Callable[[Message], None] = lambda event: None,
        on_other: Callable[[Message], None] = lambda message: None,
        window: int = 16,
    ) -> None:
        self._send = send
        self._on_event = on_event
        self._on_other = on_other
        self._window = window
        self._outstanding: dict[str, Outstanding] = {}
        self._sessions: dict[str, KnownSession] = {}
        self._prefix = secrets.token_urlsafe(6)
        self._last_id = 0
        self._lost: MaskletError | None = None
        self.is_open = True
        """False while the connection is lost: requests wait."""
        self.retry_after_ms = 0
        """Pause before the next connection that a server asked for when it began to stop."""

    # Requests

    def ask(
        self,
        request: Message,
        resolve: Callable[[Message], None],
        reject: Callable[[MaskletError], None],
        picture: bytes | None = None,
    ) -> None:
        """Sends a request with one answer. ``resolve`` receives the message."""
        self._raise_if_lost()
        if request["type"] in ("start_session", "load_session"):
            request = {"session_token": secrets.token_urlsafe(24), **request}
        self._enter(Outstanding(request, resolve, reject, picture=picture))

    def stream(self, request: Message) -> FrameQueue:
        """Sends ``propagate_in_video``. The frames wait in the queue, at most as many as the window has."""
        window = request.get("window", self._window)
        if isinstance(window, bool) or not isinstance(window, int) or not 1 <= window <= 1024:
            raise ValueError(f"window: expected an integer from 1 to 1024, got {window!r}")
        self._raise_if_lost()
        request_id = self._new_id()
        queue = FrameQueue(window, lambda count: self._acknowledge(request_id, count))
        one = Outstanding({**request, "window": window}, lambda _: None, lambda _: None, stream=queue)
        self._enter(one, request_id)
        return queue

    def own_sessions(self) -> list[str]:
        """Ids of the open sessions that this client started."""
        return [session.id for session in self._sessions.values() if session.is_own]

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise self._lost

    def _new_id(self) -> str:
        self._last_id += 1
        return f"{self._prefix}-{self._last_id}"

    def _enter(self, one: Outstanding, request_id: str | None = None) -> None:
        one.request = {**one.request, "request_id": request_id or self._new_id()}
        self._outstanding[one.id] = one
        session = self._sessions.get(one.session_id or "")
        if self.is_open and not (session and session.is_resuming):
            self._transmit(one)

    def _transmit(self, one: Outstanding) -> None:
        if one.picture is not None:
            self._send(encode_envelope(one.request, one.picture))
        else:
            self._send(_to_json(one.request))

    def _acknowledge(self, request_id: str, num_frames: int) -> None:
        if self.is_open:
            self._send(_to_json({"type": "ack", "request_id": request_id, "num_frames": num_frames}))

    def _of_session(self, session_id: str) -> list[Outstanding]:
        return [one for one in self._outstanding.values() if one.session_id == session_id]

    def _fail(self, one: Outstanding, error: MaskletError) -> None:
        self._outstanding.pop(one.id, None)
        one.reject(error)
        if one.stream:
            one.stream.fail(error)

    # Messages of the server

    def receive(self, data: str | bytes) -> None:
        """Handles one message. Raises ValueError when it is none of a masklet server."""
        message = decode_message(data)
        if not isinstance(message, dict) or "type" not in message:
            raise ValueError("expected a JSON object with a type")
        session = self._sessions.get(message.get("session_id") or "")
        seq = message.get("seq")
        if seq is not None and session is not None:
            if seq <= session.last_seq:
                return  # received before the connection was lost
            session.last_seq = seq
        if message["type"] == "event":
            self._receive_event(message)
        else:
            self._receive_answer(message, session)
        session = self._sessions.get(message.get("session_id") or "")
        if session is not None:
            self._after_result(session)

    def _receive_event(self, event: Message) -> None:
        name = event.get("event")
        session = self._sessions.get(event.get("session_id") or "")
        if name == "server_draining":
            self.retry_after_ms = int(event.get("retry_after_ms", 0))
        elif session is not None and name == "session_detached":
            closed = event.get("reason") == "closed"
            why = "was closed by another client" if closed else "is controlled by another client"
            self._forget(session, MaskletError("session_detached", f'the session "{session.id}" {why}'))
        elif session is not None and name in _ENDING_EVENTS:
            del self._sessions[session.id]
        self._on_event(event)

    def _receive_answer(self, message: Message, session: KnownSession | None) -> None:
        one = self._outstanding.get(message.get("request_id") or "")
        kind = message["type"]
        if one is None:
            if session is not None:
                self._receive_foreign(session, message)
                self._on_other(message)
        elif kind == "error":
            self._fail(one, MaskletError.from_report(message["error"]))
        elif kind == "frame" and one.stream:
            one.stream.push(message)
        else:
            del self._outstanding[one.id]
            if one.stream:
                one.stream.end(message)
                return
            if kind == "response" and not one.is_resuming:
                self._learn(one.request, message)
            one.resolve(message)

    def _learn(self, request: Message, answer: Message) -> None:
        """Keeps what is needed to attach again."""
        kind = request["type"]
        if kind in ("start_session", "load_session") and "session_token" in answer:
            session_id = answer["session_id"]
            known = self._sessions.get(session_id)
            last_seq = max(known.last_seq if known else 0, answer.get("seq", 0))
            session = KnownSession(session_id, answer["session_token"], False, True, last_seq)
            if known:
                session.is_attaching, session.replay = known.is_attaching, known.replay
            self._sessions[session_id] = session
        elif kind == "attach_session":
            session = KnownSession(
                answer["session_id"],
                request["session_token"],
                bool(request.get("watch", False)),
                False,
                request["after_seq"] if "after_seq" in request else answer["last_seq"],
            )
            self._sessions[session.id] = session
            if not session.is_watcher:
                self._adopt(session, answer)
        elif kind in ("close_session", "detach_session"):
            self._sessions.pop(request["session_id"], None)

    # Streams of other clients of a controlled session: no loop of this client takes their frames.

    def _adopt(self, session: KnownSession, answer: Message) -> None:
        session.foreign_from = answer["last_seq"]
        session.foreign_streams = {}
        for stream in answer.get("streams", []):
            if stream["request_id"] not in self._outstanding:
                session.foreign_streams[stream["request_id"]] = stream["num_frames"]
                self._acknowledge(stream["request_id"], stream["num_frames"])

    def _receive_foreign(self, session: KnownSession, message: Message) -> None:
        request_id = message.get("request_id") or ""
        count = session.foreign_streams.get(request_id)
        if message["type"] != "frame" or count is None or message.get("seq", 0) <= session.foreign_from:
            return
        session.foreign_streams[request_id] = count + 1
        self._acknowledge(request_id, count + 1)

    # Lost connections

    def on_lost(self) -> None:
        """The connection was lost, and is being opened again."""
        self.is_open = False

    def on_open_again(self) -> None:
        """The connection is open again: attaches to every session, and sends what belongs to none."""
        self.is_open = True
        for one in list(self._outstanding.values()):
            if one.is_resuming:
                del self._outstanding[one.id]
        waiting = list(self._outstanding.values())
        for session in list(self._sessions.values()):
            self._resume_session(session)
        for one in waiting:
            if one.starts_session:
                self._resume_start(one)
            elif one.session_id not in self._sessions:
                self._transmit(one)

    def _attach(
        self,
        token: str,
        after_seq: int,
        watch: bool,
        resolve: Callable[[Message], None],
        reject: Callable[[MaskletError], None],
    ) -> None:
        request = {
            "type": "attach_session",
            "session_token": token,
            "after_seq": after_seq,
            "watch": watch,
            "request_id": self._new_id(),
        }
        one = Outstanding(request, resolve, reject, is_resuming=True)
        self._outstanding[one.id] = one
        self._transmit(one)

    def _resume_session(self, session: KnownSession) -> None:
        session.is_attaching = True

        def attached(answer: Message) -> None:
            session.is_attaching = False
            session.replay = Replay(answer["last_seq"], frozenset(answer["pending"]))
            if answer["lost"] > 0:
                self._lose_results(session, session.replay.pending, answer["lost"])
            session.last_seq += answer["lost"]
            if not session.is_watcher:
                self._adopt(session, answer)
            self._after_result(session)

        def refused(error: MaskletError) -> None:
            # A retryable error means that the connection ends again, and with it this attempt.
            if not error.retryable:
                self._end(session, error)

        self._attach(session.token, session.last_seq, session.is_watcher, attached, refused)

    def _resume_start(self, one: Outstanding) -> None:
        def refused(error: MaskletError) -> None:
            if not error.retryable and one.id in self._outstanding:
                self._transmit(one)

        # The answer to the start is replayed.
        self._attach(one.request["session_token"], 0, False, lambda _: None, refused)

    def _after_result(self, session: KnownSession) -> None:
        """At the end of the replay, sends what has not reached the server."""
        replay = session.replay
        if replay is None or session.last_seq < replay.to:
            return
        session.replay = None
        for one in self._of_session(session.id):
            if one.id not in replay.pending:
                self._transmit(one)
            elif one.stream:
                one.stream.repeat_ack()

    def _lose_results(self, session: KnownSession, pending: frozenset[str], count: int) -> None:
        """Dropped results may have answered requests, except those with one answer that are still pending."""
        message = f'the server dropped {count} results of the session "{session.id}" before they were received'
        for one in self._of_session(session.id):
            if one.stream or one.id not in pending:
                self._fail(one, MaskletError("results_lost", message))

    def _end(self, session: KnownSession, error: MaskletError) -> None:
        """The session has ended while the client was away."""
        self._sessions.pop(session.id, None)
        for one in self._of_session(session.id):
            if one.request["type"] in ("close_session", "detach_session"):
                del self._outstanding[one.id]
                one.resolve({"is_success": True})
            else:
                self._fail(one, error)
        report = {"code": error.code, "message": error.message, "retryable": error.retryable}
        if error.saved_id:
            report["saved_id"] = error.saved_id
        self._on_event({"type": "event", "event": "session_lost", "session_id": session.id, "error": report})

    def _forget(self, session: KnownSession, error: MaskletError) -> None:
        self._sessions.pop(session.id, None)
        for one in self._of_session(session.id):
            self._fail(one, error)

    def lose_sessions(self, error: MaskletError) -> None:
        """The server has stopped, and its sessions with it."""
        for session in list(self._sessions.values()):
            self._forget(session, error)

    def lose(self, error: MaskletError) -> None:
        """Fails everything that waits, and every request from now on."""
        self._lost = self._lost or error
        self.is_open = False
        for one in list(self._outstanding.values()):
            self._fail(one, error)


def _to_json(message: Message) -> str:
    return json.dumps(message, separators=(",", ":"), allow_nan=False)
