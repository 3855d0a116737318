"""Frames between the socket, which pushes, and a loop, which pulls. The window of the stream bounds how many wait."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable

from ..errors import MaskletError

Message = dict[str, Any]


class FrameQueue:
    """The frames of one stream. ``on_change`` is called when frames or the end have arrived."""

    def __init__(self, window: int, acknowledge: Callable[[int], None]) -> None:
        # One ack for half a window: few messages, and the server still has the other half to send meanwhile.
        self._ack_every = (window + 1) // 2
        self._acknowledge = acknowledge
        self._frames: deque[Message] = deque()
        self._taken = 0
        self._acknowledged = 0
        self._draining = False
        self.done: Message | None = None
        self.error: MaskletError | None = None
        self.on_change: Callable[[], None] = lambda: None

    @property
    def has_ended(self) -> bool:
        """True after the last message of the stream; frames may still wait."""
        return self.done is not None or self.error is not None

    @property
    def is_ready(self) -> bool:
        """True when ``take`` returns or raises at once."""
        return bool(self._frames) or self.has_ended

    def push(self, frame: Message) -> None:
        if self._draining or self.has_ended:
            return
        self._frames.append(frame)
        self.on_change()

    def end(self, done: Message) -> None:
        if not self.has_ended:
            self.done = done
        self.on_change()

    def fail(self, error: MaskletError) -> None:
        if not self.has_ended:
            self.error = error
        self.on_change()

    def take(self) -> Message | None:
        """Returns the next frame, or None at the end. Frames that arrived before an error come before it."""
        if self._frames:
            frame = self._frames.popleft()
            self._taken += 1
            if not self.has_ended and self._taken - self._acknowledged >= self._ack_every:
                self._acknowledged = self._taken
                self._acknowledge(self._taken)
            return frame
        if self.error is not None:
            raise self.error
        return None

    def repeat_ack(self) -> None:
        """Sends the last acknowledgement again, which may have been lost with the connection."""
        if not self.has_ended and self._acknowledged > 0:
            self._acknowledge(self._acknowledged)

    def drain(self) -> None:
        """Drops the frames that wait and those still to come."""
        self._draining = True
        self._frames.clear()
