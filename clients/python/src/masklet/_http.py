"""Requests over HTTP: saved sessions, exports, imports. Blocking; the async client runs them in threads."""

from __future__ import annotations

import http.client
import json
import os
import shutil
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import quote, urlencode

from ._core.endpoint import Endpoint
from ._link import refusal_of
from ._sources import Source, open_annotations
from .errors import MaskletError

_TIMEOUT_S = 700.0
"""Longer than the server takes to inspect an upload."""
_BLOCK_BYTES = 64 * 1024


def delete_upload(endpoint: Endpoint, upload_id: str) -> None:
    _delete(endpoint, f"/uploads/{quote(upload_id, safe='')}", "upload_not_found")


def download_saved(endpoint: Endpoint, saved_id: str, path: str | os.PathLike[str]) -> None:
    _download(endpoint, f"/saved/{quote(saved_id, safe='')}", {}, Path(path))


def send_saved(endpoint: Endpoint, path: str | os.PathLike[str]) -> dict[str, Any]:
    with open(path, "rb") as file:
        return json_of(endpoint, "POST", "/saved", {}, file, os.stat(path).st_size)


def export_formats(endpoint: Endpoint) -> list[dict[str, Any]]:
    answer = json_of(endpoint, "GET", "/exports")
    formats = answer if isinstance(answer, list) else answer["formats"]
    return list(formats)


def import_formats(endpoint: Endpoint) -> list[dict[str, Any]]:
    return list(json_of(endpoint, "GET", "/imports")["formats"])


def saved_sessions(endpoint: Endpoint) -> list[dict[str, Any]]:
    return list(json_of(endpoint, "GET", "/saved")["saved"])


def delete_saved(endpoint: Endpoint, saved_id: str) -> None:
    _delete(endpoint, f"/saved/{quote(saved_id, safe='')}", "saved_not_found")


def import_annotations(endpoint: Endpoint, session_id: str, source: Source, query: dict[str, str]) -> dict[str, Any]:
    with open_annotations(source) as (file, size):
        return dict(json_of(endpoint, "POST", f"/sessions/{quote(session_id, safe='')}/import", query, file, size))


def export(
    endpoint: Endpoint, session_id: str, format: str, path: str | os.PathLike[str], query: dict[str, str]
) -> Path:
    where = f"/sessions/{quote(session_id, safe='')}/export/{quote(format, safe='')}"
    return _download(endpoint, where, query, Path(path))


def _download(endpoint: Endpoint, path: str, query: dict[str, str], target: Path) -> Path:
    """Writes the answer to a file. A download that fails leaves no file under the name of the target."""
    part = target.with_name(f"{target.name}.part")
    try:
        with Answer(endpoint, "GET", path, query) as answer, open(part, "wb") as file:
            shutil.copyfileobj(answer.response, file, 1 << 20)
        part.replace(target)
    except http.client.HTTPException as cause:
        raise MaskletError("connection_lost", f"the download was cut off: {cause}", retryable=True) from cause
    finally:
        part.unlink(missing_ok=True)
    return target


def json_of(
    endpoint: Endpoint,
    method: str,
    path: str,
    query: dict[str, str] | None = None,
    body: IO[bytes] | None = None,
    size: int = 0,
) -> Any:
    with Answer(endpoint, method, path, query, body, size) as answer:
        return json.loads(answer.read())


def _delete(endpoint: Endpoint, path: str, missing: str) -> None:
    """Deletes what a path names. It may be deleted already, which the server answers with the code ``missing``."""
    try:
        with Answer(endpoint, "DELETE", path) as answer:
            answer.read()
    except MaskletError as error:
        if error.code != missing:
            raise


class Body(Protocol):
    """What is sent: a file, or anything else that is read block by block."""

    def read(self, count: int = -1, /) -> bytes: ...


class Answer:
    """A successful answer whose body is not read yet. Raises MaskletError for others."""

    response: http.client.HTTPResponse

    def __init__(
        self,
        endpoint: Endpoint,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Body | None = None,
        size: int = 0,
        headers: dict[str, str] | None = None,
    ) -> None:
        kind = http.client.HTTPSConnection if endpoint.is_secure else http.client.HTTPConnection
        self._connection = kind(endpoint.host, endpoint.port, timeout=_TIMEOUT_S, blocksize=_BLOCK_BYTES)
        self._endpoint = endpoint
        self._method = method
        self._target = f"{endpoint.path}{path}" + (f"?{urlencode(query)}" if query else "")
        self._body = body
        self._headers = dict(endpoint.headers)
        if body is not None:
            self._headers.update({"Content-Type": "application/octet-stream", "Content-Length": str(size)})
        self._headers.update(headers or {})

    def __enter__(self) -> Answer:
        try:
            self.response = self._send()
        except (OSError, http.client.HTTPException) as cause:
            self._connection.close()
            message = f"no connection to {self._endpoint.netloc}: {cause}"
            raise MaskletError("connection_failed", message, retryable=True) from cause
        if self.response.status >= 300:
            try:
                raise refusal_of(self.response.status, self.read())
            finally:
                self._connection.close()
        return self

    def read(self) -> bytes:
        """The whole body."""
        try:
            return self.response.read()
        except (OSError, http.client.HTTPException) as cause:
            raise MaskletError("connection_lost", f"the answer was cut off: {cause}", retryable=True) from cause

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _send(self) -> http.client.HTTPResponse:
        try:
            self._connection.request(self._method, self._target, self._body, self._headers)
        except (BrokenPipeError, ConnectionResetError):
            # The server refuses the body before it has arrived; its answer states why.
            response = http.client.HTTPResponse(self._connection.sock)
            response.begin()
            return response
        return self._connection.getresponse()
