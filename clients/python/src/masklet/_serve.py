"""Starts a private server, for programs that have none."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ._sync import Client, connect
from .errors import MaskletError

__all__ = ["Server", "serve"]

_NODE = (20, 19)
_READY = re.compile(rb"^masklet serves (\S+)")
_HOW = (
    f"install Node {_NODE[0]}.{_NODE[1]} or newer and `npm install masklet`, or set MASKLET_COMMAND to the command "
    "that runs masklet, or MASKLET_URL to the address of a running server"
)


@dataclass(frozen=True)
class Server:
    """A private server: reached from this machine, with its key only."""

    url: str
    """``ws://127.0.0.1:PORT/v1``."""
    key: str
    pid: int
    """The process that ends the server when this program ends."""

    def connect(self, *, window: int = 16) -> Client:
        """A client of this server."""
        return connect(self.url, self.key, window=window)


@contextmanager
def serve(
    *,
    media_roots: Sequence[str | os.PathLike[str]] | None = None,
    pack: str | os.PathLike[str] | None = None,
    command: Sequence[str] | None = None,
    timeout_s: float = 120.0,
) -> Iterator[Server]:
    """Runs a private server, on a free port of this machine and with a key of its own, and stops it at the end.

    It stops also when this program is killed. It prints nothing.

    Args:
        media_roots: folders whose videos the server opens. Default: every file that this user can read.
        pack: the folder of a model pack. Default: the embedded ``compact``.
        command: the command that runs masklet. Default: the variable ``MASKLET_COMMAND``, the repository that this
            package lies in, ``node_modules/.bin/masklet`` here or above, ``masklet`` of the PATH, or ``npx masklet``.
        timeout_s: time for the start, in seconds.

    Raises:
        MaskletError: ``server_not_started``, with what to do.
    """
    roots = [Path(os.path.abspath(os.sep))] if media_roots is None else [Path(root) for root in media_roots]
    arguments = ["serve", "--host", "127.0.0.1", "--port", "0"]
    for root in roots:
        arguments += ["--media-root", str(root.resolve())]
    if pack is not None:
        arguments += ["--pack", str(Path(pack).resolve())]
    key = f"masklet_{secrets.token_urlsafe(32)}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    environment = {**os.environ, "MASKLET_KEYS": f"python:sha256:{digest}"}
    program = [*(command or find_command()), *arguments]
    with tempfile.TemporaryFile() as errors:
        watcher = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("_watch.py")), *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
        )
        try:
            yield Server(_wait_until_ready(watcher, errors, timeout_s), key, watcher.pid)
        finally:
            _stop(watcher)


def find_command() -> list[str]:
    """The command that runs masklet. Raises MaskletError when there is none."""
    given = os.environ.get("MASKLET_COMMAND")
    if given:
        return shlex.split(given)
    node = shutil.which("node")
    if node is None:
        raise MaskletError("server_not_started", f"a server needs Node, and there is no `node` in the PATH; {_HOW}")
    _check_node(node)
    script = Path("clients", "command", "masklet.mjs")
    for folder in Path(__file__).resolve().parents:
        if (folder / script).is_file() and (folder / "package.json").is_file():
            return [node, str(folder / script)]
    here = Path.cwd()
    for folder in (here, *here.parents):
        local = folder / "node_modules" / "masklet" / script
        if local.is_file():
            return [node, str(local)]
        if (folder / script).is_file() and (folder / "PROTOCOL.md").is_file():
            return [node, str(folder / script)]
    installed = shutil.which("masklet")
    if installed is not None:
        return [installed]
    npx = shutil.which("npx")
    if npx is None:
        raise MaskletError("server_not_started", f"there is no command `masklet` and no `npx` in the PATH; {_HOW}")
    return [npx, "--yes", "masklet"]


def _check_node(node: str) -> None:
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    numbers = re.match(r"v(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _NODE:
        message = f"a server needs Node {_NODE[0]}.{_NODE[1]} or newer, and {node} is {version or 'unreadable'}; {_HOW}"
        raise MaskletError("server_not_started", message)


def _wait_until_ready(watcher: subprocess.Popen[bytes], errors: IO[bytes], timeout_s: float) -> str:
    ready = threading.Event()
    url: list[str] = []

    def read() -> None:
        assert watcher.stdout is not None
        for line in watcher.stdout:  # also after the start, so that the server never waits for a reader
            found = _READY.match(line)
            if found and not url:
                url.append(found[1].decode().replace("http", "ws", 1))
                ready.set()
        ready.set()

    threading.Thread(target=read, name="masklet-server", daemon=True).start()
    has_ended = ready.wait(timeout_s)
    if url:
        return url[0]
    errors.seek(0)
    tail = errors.read().decode(errors="replace").strip()[-2000:]
    what = "ended before it was ready" if has_ended else f"was not ready after {timeout_s:g} s"
    raise MaskletError("server_not_started", f"the server {what}. {tail or _HOW}")


def _stop(watcher: subprocess.Popen[bytes]) -> None:
    assert watcher.stdin is not None
    watcher.stdin.close()
    try:
        watcher.wait(20)
    except subprocess.TimeoutExpired:
        watcher.kill()
        watcher.wait()
