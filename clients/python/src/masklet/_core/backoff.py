"""When a client connects again after it lost its connection, and when it sends a failed request again."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..errors import MaskletError

_MAX_PAUSE_S = 60.0

_FATAL_CODES = frozenset({1000, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 4401})
"""Close codes after which connecting again would fail in the same way; 1000 and 1005 end on purpose."""

STOPPED = 1001
"""The close code of a server that stops; its sessions have ended."""


@dataclass(frozen=True)
class Backoff:
    """Delays before further attempts to connect."""

    max_attempts: int = 12
    """Attempts before the client gives up; 12 take about four minutes."""
    first_delay_s: float = 0.5
    """The longest delay before the first attempt; it doubles with each attempt."""
    max_delay_s: float = 30.0

    def delay_s(self, attempt: int, share: float | None = None) -> float:
        """Seconds before an attempt, counted from 0: random between half of the longest delay and all of it."""
        longest = min(self.max_delay_s, self.first_delay_s * 2**attempt)
        return longest * (0.5 + (random.random() if share is None else share) / 2)


def is_fatal(code: int) -> bool:
    return code in _FATAL_CODES


def pause_s(error: MaskletError, own_delay_s: float) -> float:
    """Seconds before the same request is sent again: as the server asks, but at least ``own_delay_s``."""
    return max(own_delay_s, min((error.retry_after_ms or 0) / 1000, _MAX_PAUSE_S))
