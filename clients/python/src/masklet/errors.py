"""The error of every failure that a masklet server or its connection reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["MaskletError"]


class MaskletError(Exception):
    """A request was refused, or the connection failed. ``PROTOCOL.md`` lists the codes.

    Codes of the client itself: ``connection_failed`` (no connection could be opened), ``connection_lost``
    (the connection ended for good), ``session_detached`` (another client controls or closed the session),
    ``results_lost`` (the server dropped results before they were received), ``server_not_started``.
    """

    code: str
    """For programs, such as ``invalid_field``."""
    field: str | None
    """The path of the wrong field, such as ``points[0][1]``; None if no single field is wrong."""
    retryable: bool
    """True when the same request may succeed later, unchanged."""
    retry_after_ms: int | None
    """Milliseconds after which the server expects that a retry succeeds; None without an estimate."""
    limit: str | None
    """The setting of the server that was exceeded."""
    saved_id: str | None
    """The saved session, after a server was stopped: ``load_session`` continues it."""
    status: int | None = None
    """The status of the answer, if it came over HTTP."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        retryable: bool = False,
        retry_after_ms: int | None = None,
        limit: str | None = None,
        saved_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms
        self.limit = limit
        self.saved_id = saved_id

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"

    @classmethod
    def from_report(cls, error: Mapping[str, Any]) -> MaskletError:
        """Makes the exception from the object ``error`` of a message or of an HTTP answer."""
        return cls(
            str(error.get("code", "internal")),
            str(error.get("message", "")),
            field=error.get("field"),
            retryable=bool(error.get("retryable", False)),
            retry_after_ms=error.get("retry_after_ms"),
            limit=error.get("limit"),
            saved_id=error.get("saved_id"),
        )
