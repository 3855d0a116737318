"""A private server with the embedded model pack, and media that ffmpeg draws."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import masklet

ROOT = Path(__file__).parents[3]


def find_ffmpeg():
    if os.environ.get("FFMPEG_PATH"):
        return os.environ["FFMPEG_PATH"]
    bundled = sorted((ROOT / "node_modules" / "@ffmpeg-installer").glob("*/ffmpeg"))
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
