"""A local hub with one repository: the routes that a download uses, with the responses of huggingface.co."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE_BYTES = 100_000  # larger files are stored on another host and named by their SHA-256


@dataclass
class LocalHub:
    """Serves `folder` as the repository `name`; `main` and the branch `small` are at COMMIT."""

    folder: Path
    name: str = "someone/small-tracker"
    gated: bool = False
    unauthorized: bool = False
    cut_at: int | None = None
    """Position in a large file at which every connection is cut"""
    sent: list[tuple[str, int, int]] = field(default_factory=list)
    """For large files: name, first requested byte, bytes sent"""

    def __enter__(self) -> LocalHub:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self, with_body=True)

            def do_HEAD(self) -> None:
                hub.answer(self, with_body=False)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.is_file())

    def answer(self, request: BaseHTTPRequestHandler, *, with_body: bool) -> None:
        path = unquote(urlsplit(request.path).path)
        api, content, elsewhere = f"/api/models/{self.name}", f"/{self.name}/resolve/{COMMIT}/", "/elsewhere/"
        if self.unauthorized:
            self.refuse(request, 401, "Invalid credentials in Authorization header", code=None)
        elif path in (api, f"{api}/revision/main", f"{api}/revision/small", f"{api}/revision/{COMMIT}"):
            self.send_json(request, {"id": self.name, "sha": COMMIT, "siblings": [{"rfilename": f.name} for f in self.files()]})
        elif path == f"{api}/tree/{COMMIT}":
            self.send_json(request, [self.tree_entry(file) for file in self.files()])
        elif path.startswith(f"{api}/"):
            self.refuse(request, 404, "Invalid rev id", code="RevisionNotFound")
        elif path.startswith("/api/"):
            self.refuse(request, 401, "Repository not found", code="RepoNotFound")
        elif path.startswith(content) and self.gated:
            self.refuse(request, 403, "Access to model is restricted", code="GatedRepo")
        elif path.startswith(content):
            self.resolve(request, self.folder / path.removeprefix(content), with_body)
        elif path.startswith(elsewhere):
            self.send_file(request, self.folder / path.removeprefix(elsewhere))
        else:
            self.refuse(request, 404, "Entry not found", code="EntryNotFound")

    def resolve(self, request: BaseHTTPRequestHandler, file: Path, with_body: bool) -> None:
        """Small files are served here; large ones from another host name, as at huggingface.co."""
        data = file.read_bytes()
        large = len(data) >= LARGE_BYTES
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag(data)}"', "Content-Length": str(0 if large else len(data))}
        if large:
            location = f"http://localhost:{self.server.server_address[1]}/elsewhere/{file.name}"
            headers |= {"X-Linked-Etag": f'"{etag(data)}"', "X-Linked-Size": str(len(data)), "Location": location}
        send(request, 302 if large else 200, headers, data if with_body and not large else b"")

    def send_file(self, request: BaseHTTPRequestHandler, file: Path) -> None:
        data = file.read_bytes()
        asked = request.headers.get("Range")
        first = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        part = data[first:]
        headers = {"Content-Length": str(len(part)), "ETag": f'"{etag(data)}"'}
        if asked:
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        if self.cut_at is not None:
            part = part[: max(0, self.cut_at - first)]
            request.close_connection = True
        self.sent.append((file.name, first, len(part)))
        send(request, 206 if asked else 200, headers, part)

    @staticmethod
    def tree_entry(file: Path) -> dict[str, object]:
        data = file.read_bytes()
        entry: dict[str, object] = {"type": "file", "path": file.name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        if len(data) >= LARGE_BYTES:
            entry["lfs"] = {"oid": etag(data), "size": len(data), "pointerSize": 134}
        return entry

    @staticmethod
    def send_json(request: BaseHTTPRequestHandler, value: object) -> None:
        data = json.dumps(value).encode()
        send(request, 200, {"Content-Type": "application/json", "Content-Length": str(len(data))}, data)

    @staticmethod
    def refuse(request: BaseHTTPRequestHandler, status: int, message: str, *, code: str | None) -> None:
        named = {} if code is None else {"X-Error-Code": code}
        send(request, status, {**named, "X-Error-Message": message, "Content-Length": "0"}, b"")


def etag(data: bytes) -> str:
    """The hub's identifier of a file"""
    return (hashlib.sha256 if len(data) >= LARGE_BYTES else hashlib.sha1)(data).hexdigest()


def send(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
