"""The requests of a client that are not answered, and the sessions that it reaches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

from ..errors import MaskletError
from .frame_queue import FrameQueue

STARTS = frozenset({"start_session", "load_session"})


@dataclass
class Outstanding:
    """A request without an answer. It stays outstanding when the connection is lost meanwhile."""

    request: dict[str, Any]
    resolve: Callable[[dict[str, Any]], None]
    reject: Callable[[MaskletError], None]
    stream: FrameQueue | None = None
    picture: bytes | None = None
    """The payload of ``push_frame``."""
    is_resuming: bool = False
    """Sent by the client itself after its connection was lost."""

    @property
    def id(self) -> str:
        return str(self.request["request_id"])

    @property
    def starts_session(self) -> bool:
        return self.request["type"] in STARTS

    @property
    def session_id(self) -> str | None:
        """The session that the request names; None for requests without one, and for those that start one."""
        return None if self.starts_session else self.request.get("session_id")


@dataclass
class Replay:
    """What a session waits for after the connection was opened again."""

    to: int
    """``seq`` of the last result of the replay."""
    pending: frozenset[str]
    """Requests that have reached the server, and whose results follow."""


@dataclass
class KnownSession:
    """A session with what is needed to attach to it again."""

    id: str
    token: str
    is_watcher: bool
    is_own: bool
    """Whether this client started the session, and closes it at its end."""
    last_seq: int
    """``seq`` of the last result that was received."""
    is_attaching: bool = False
    replay: Replay | None = None
    foreign_streams: dict[str, int] = field(default_factory=dict)
    """Frames so far of streams that another client started and this one acknowledges, by request."""
    foreign_from: int = 0

    @property
    def is_resuming(self) -> bool:
        """True between the loss of a connection and the end of the replay: requests of the session wait."""
        return self.is_attaching or self.replay is not None
