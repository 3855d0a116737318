"""Uploads that continue after a lost connection, also when the program is started again, by the tus protocol 1.0.0."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

from ._core.backoff import pause_s
from ._core.endpoint import Endpoint
from ._http import Answer, json_of
from ._sources import Source, open_source
from .errors import MaskletError

__all__ = ["upload"]

_RETRY_DELAYS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0, 30.0)
"""Before further tries in a row; a try that sends a part starts again with the first delay."""
_TUS = {"Tus-Resumable": "1.0.0"}
_ANOTHER_OFFSET = (409, 423)
"""The server has another number of bytes, or another request writes to the same upload."""

Progress = Callable[[int, int], None]


def upload(
    endpoint: Endpoint,
    source: Source,
    filename: str | None,
    resume_file: str | os.PathLike[str] | None,
    on_progress: Progress | None,
) -> dict[str, Any]:
    """Sends a video, a picture, an archive, or pictures as an archive. Returns the facts of the upload."""
    with open_source(source) as (file, size, name):
        sending = _Sending(endpoint, file, size, filename or name, on_progress)
        kept = None if resume_file is None else _Kept(Path(resume_file), endpoint, size, filename or name)
        sending.upload_id = kept.read() if kept else None
        failures, furthest = 0, 0
        while True:
            try:
                facts = sending.go_on(lambda upload_id: kept.write(upload_id) if kept else None)
            except MaskletError as error:
                if sending.offset > furthest:
                    failures, furthest = 0, sending.offset
                if not error.retryable or failures == len(_RETRY_DELAYS_S):
                    # Every other error that is not retryable ends the upload. After a wrong key it can continue.
                    if kept and not error.retryable and error.code != "unauthenticated":
                        kept.remove()
                    raise
                time.sleep(pause_s(error, _RETRY_DELAYS_S[failures]))
                failures += 1
                continue
            if kept:
                kept.remove()
            return facts


class _Sending:
    """One file on its way."""

    def __init__(
        self, endpoint: Endpoint, file: IO[bytes], size: int, name: str | None, on_progress: Progress | None
    ) -> None:
        self._endpoint = endpoint
        self._file = file
        self._size = size
        self._name = name
        self._on_progress = on_progress
        self.upload_id: str | None = None
        self.offset = 0
        """Bytes that the server has, as far as is known."""

    def go_on(self, on_created: Callable[[str], None]) -> dict[str, Any]:
        """Sends what the server does not have, and returns the facts."""
        if self.upload_id is not None and not self._find_offset():
            facts = self._facts_if_complete(self.upload_id)
            if facts is not None:
                return facts
            self.upload_id = None
        if self.upload_id is None:
            self.upload_id, self.offset = self._create(), 0
            on_created(self.upload_id)
        if self.offset < self._size:
            self._send_rest()
        return dict(json_of(self._endpoint, "GET", f"/uploads/{quote(self.upload_id, safe='')}"))

    @property
    def _path(self) -> str:
        return f"/uploads/tus/{quote(self.upload_id or '', safe='')}"

    def _create(self) -> str:
        headers = {**_TUS, "Upload-Length": str(self._size)}
        if self._name is not None:
            headers["Upload-Metadata"] = f"filename {base64.b64encode(self._name.encode()).decode()}"
        with Answer(self._endpoint, "POST", "/uploads/tus", headers=headers) as answer:
            address = answer.response.headers.get("Location", "")
        # The last part of the address is the id of the upload.
        return urlsplit(address).path.rsplit("/", 1)[-1]

    def _find_offset(self) -> bool:
        """Asks for the bytes that the server has. False when the server has no such unfinished upload."""
        try:
            with Answer(self._endpoint, "HEAD", self._path, headers=_TUS) as answer:
                self.offset = int(answer.response.headers.get("Upload-Offset", "0"))
        except MaskletError as error:
            if error.retryable:
                raise
            # An answer to HEAD has no body and so no code. If the key is wrong, the next request reports it.
            return False
        return True

    def _facts_if_complete(self, upload_id: str) -> dict[str, Any] | None:
        try:
            return dict(json_of(self._endpoint, "GET", f"/uploads/{quote(upload_id, safe='')}"))
        except MaskletError as error:
            if error.code != "upload_not_found":
                raise
            return None

    def _send_rest(self) -> None:
        self._file.seek(self.offset)
        headers = {**_TUS, "Upload-Offset": str(self.offset), "Content-Type": "application/offset+octet-stream"}
        body = _Body(self._file, self.offset, self._size, self._on_progress)
        try:
            with Answer(self._endpoint, "PATCH", self._path, {}, body, self._size - self.offset, headers) as answer:
                self.offset = int(answer.response.headers.get("Upload-Offset", self._size))
        except MaskletError as error:
            if error.status in _ANOTHER_OFFSET:
                error.retryable = True
            raise


class _Body:
    """The rest of a file, which reports how much of the file is sent."""

    def __init__(self, file: IO[bytes], offset: int, size: int, on_progress: Progress | None) -> None:
        self._file = file
        self._sent = offset
        self._size = size
        self._on_progress = on_progress

    def read(self, count: int = -1) -> bytes:
        """Called for each block; a call means that the blocks before it were handed to the network."""
        if self._on_progress:
            self._on_progress(self._sent, self._size)
        block = self._file.read(count)
        self._sent += len(block)
        return block


class _Kept:
    """The file in which an unfinished upload is kept for another run of the program."""

    def __init__(self, path: Path, endpoint: Endpoint, size: int, name: str | None) -> None:
        self._path = path
        self._source = {"server": endpoint.socket_url, "bytes": size, "filename": name}

    def read(self) -> str | None:
        """The id of an unfinished upload of the same source to the same server."""
        try:
            kept = json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        except ValueError as cause:
            raise ValueError(f"{self._path} is no file of an unfinished upload; delete it, or name another") from cause
        if not isinstance(kept, dict) or "upload_id" not in kept:
            raise ValueError(f"{self._path} is no file of an unfinished upload; delete it, or name another")
        is_same = all(kept.get(name) == value for name, value in self._source.items())
        return str(kept["upload_id"]) if is_same else None

    def write(self, upload_id: str) -> None:
        part = self._path.with_name(f"{self._path.name}.part")
        part.write_text(json.dumps({"upload_id": upload_id, **self._source}))
        part.replace(self._path)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
