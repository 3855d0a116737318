"""Requests over HTTP: uploads, saved sessions, exports. Blocking; the async client runs them in threads."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import quote, urlencode

from ._core.backoff import pause_s
from ._core.endpoint import Endpoint
from ._link import refusal_of
from ._sources import Source, open_source
from .errors import MaskletError

_T = TypeVar("_T")

_RETRY_DELAYS_S = (1.0, 4.0, 15.0)
_TIMEOUT_S = 700.0
"""Longer than the server takes to inspect an upload."""


def upload(endpoint: Endpoint, source: Source, filename: str | None) -> dict[str, Any]:
    """Sends a video, a picture, an archive, or pictures as an archive. Returns the facts of the upload."""

    def send() -> dict[str, Any]:
        with open_source(source) as (file, size, name):
            shown = filename or name
            query = {} if shown is None else {"filename": shown}
            return _json_of(endpoint, "POST", "/uploads", query, file, size)

    return _with_retries(send)


def delete_upload(endpoint: Endpoint, upload_id: str) -> None:
    try:
        _bytes_of(endpoint, "DELETE", f"/uploads/{quote(upload_id, safe='')}")
    except MaskletError as error:
        if error.code != "upload_not_found":
            raise


def download_saved(endpoint: Endpoint, saved_id: str, path: str | os.PathLike[str]) -> None:
    _download(endpoint, f"/saved/{quote(saved_id, safe='')}", {}, Path(path))


def send_saved(endpoint: Endpoint, path: str | os.PathLike[str]) -> dict[str, Any]:
    with open(path, "rb") as file:
        return _json_of(endpoint, "POST", "/saved", {}, file, os.stat(path).st_size)


def export_formats(endpoint: Endpoint) -> list[dict[str, Any]]:
    answer = _json_of(endpoint, "GET", "/exports")
    formats = answer if isinstance(answer, list) else answer["formats"]
    return list(formats)


def export(
    endpoint: Endpoint, session_id: str, format: str, path: str | os.PathLike[str], query: dict[str, str]
) -> Path:
    where = f"/sessions/{quote(session_id, safe='')}/export/{quote(format, safe='')}"
    return _download(endpoint, where, query, Path(path))


def _with_retries(send: Callable[[], _T]) -> _T:
    """Sends again after errors for which the server names a pause."""
    for own_delay_s in _RETRY_DELAYS_S:
        try:
            return send()
        except MaskletError as error:
            if not error.retryable or error.retry_after_ms is None:
                raise
            time.sleep(pause_s(error, own_delay_s))
    return send()


def _download(endpoint: Endpoint, path: str, query: dict[str, str], target: Path) -> Path:
    """Writes the answer to a file. A download that fails leaves no file under the name of the target."""
    part = target.with_name(f"{target.name}.part")
    try:
        with _Answer(endpoint, "GET", path, query) as answer, open(part, "wb") as file:
            shutil.copyfileobj(answer.response, file, 1 << 20)
        part.replace(target)
    except http.client.HTTPException as cause:
        raise MaskletError("connection_lost", f"the download was cut off: {cause}", retryable=True) from cause
    finally:
        part.unlink(missing_ok=True)
    return target


def _json_of(
    endpoint: Endpoint,
    method: str,
    path: str,
    query: dict[str, str] | None = None,
    body: IO[bytes] | None = None,
    size: int = 0,
) -> Any:
    return json.loads(_bytes_of(endpoint, method, path, query, body, size))


def _bytes_of(
    endpoint: Endpoint,
    method: str,
    path: str,
    query: dict[str, str] | None = None,
    body: IO[bytes] | None = None,
    size: int = 0,
) -> bytes:
    with _Answer(endpoint, method, path, query or {}, body, size) as answer:
        return answer.response.read()


class _Answer:
    """A successful answer whose body is not read yet. Raises MaskletError for others."""

    response: http.client.HTTPResponse

    def __init__(
        self,
        endpoint: Endpoint,
        method: str,
        path: str,
        query: dict[str, str],
        body: IO[bytes] | None = None,
        size: int = 0,
    ) -> None:
        kind = http.client.HTTPSConnection if endpoint.is_secure else http.client.HTTPConnection
        self._connection = kind(endpoint.host, endpoint.port, timeout=_TIMEOUT_S)
        self._endpoint = endpoint
        self._method = method
        self._target = f"{endpoint.path}{path}" + (f"?{urlencode(query)}" if query else "")
        self._body = body
        self._size = size

    def __enter__(self) -> _Answer:
        try:
            self.response = self._send()
        except OSError as cause:
            self._connection.close()
            message = f"no connection to {self._endpoint.netloc}: {cause}"
            raise MaskletError("connection_failed", message, retryable=True) from cause
        if self.response.status >= 300:
            body = self.response.read()
            self._connection.close()
            raise refusal_of(self.response.status, body)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _send(self) -> http.client.HTTPResponse:
        headers = dict(self._endpoint.headers)
        if self._body is not None:
            headers["Content-Type"] = "application/octet-stream"
            headers["Content-Length"] = str(self._size)
        try:
            self._connection.request(self._method, self._target, self._body, headers)
        except (BrokenPipeError, ConnectionResetError):
            # The server refuses the body before it has arrived; its answer states why.
            response = http.client.HTTPResponse(self._connection.sock)
            response.begin()
            return response
        return self._connection.getresponse()
