"""A private server with the embedded model pack, and media that ffmpeg draws."""

import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import masklet

ROOT = Path(__file__).parents[3]


def find_ffmpeg():
    if os.environ.get("FFMPEG_PATH"):
        return os.environ["FFMPEG_PATH"]
    bundled = sorted((ROOT / "node_modules" / "@ffmpeg-installer").glob("*/ffmpeg*"))  # ffmpeg.exe on Windows
    return str(bundled[0]) if bundled else shutil.which("ffmpeg")


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    """A folder with ``clip.mp4`` and ``frames/``: 12 frames of 192x128, in which a red square moves to the right."""
    ffmpeg = find_ffmpeg()
    if ffmpeg is None:
        # A copy of this folder without the repository: npm has installed no ffmpeg, and the system has none.
        pytest.skip("there is no ffmpeg, which draws the media; install it, or set FFMPEG_PATH")
    folder = tmp_path_factory.mktemp("media")
    (folder / "frames").mkdir()
    drawn = [
        "-f",
        "lavfi",
        "-i",
        "color=c=gray:s=192x128:r=12:d=1",
        "-f",
        "lavfi",
        "-i",
        "color=c=red:s=48x48:r=12:d=1",
    ]
    moved = ["-filter_complex", "overlay=x=20+60*t:y=40", "-pix_fmt", "yuv420p"]
    for target in ("clip.mp4", "frames/%d.png"):
        command = [ffmpeg, "-v", "error", *drawn, *moved, str(folder / target)]
        subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def server():
    with masklet.serve() as started:
        yield started


@pytest.fixture
def client(server):
    with server.connect() as opened:
        yield opened


BUFFER_BYTES = 2**16


class Cable:
    """A port of this machine that forwards to a server, and that can be cut."""

    def __init__(self, port):
        self._target = port
        self._pairs = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Accepted connections inherit it. Bytes on their way would be lost by a cut.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            self._pairs.append((near, far))
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass

    def cut(self):
        for pair in self._pairs:
            for end in pair:
                end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._pairs.clear()

    def close(self):
        self._listener.close()


@pytest.fixture
def cable(server):
    cable = Cable(urlsplit(server.url).port)
    yield cable
    cable.close()
