"""Writes ``_sync.py``, the synchronous client, from ``aio.py``, with ruff. ``--check`` only compares."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "masklet"

REPLACEMENTS = [
    (r"async def ", "def "),
    (r"async for ", "for "),
    (r"async with ", "with "),
    (r"\bawait ", ""),
    (r"__a(enter|exit|iter|next)__", r"__\1__"),
    (r"StopAsyncIteration", "StopIteration"),
    (r"AsyncIterator", "Iterator"),
    (r"AsyncPort", "SyncPort"),
    (r"\baclose\b", "close"),
]

HEADER = '"""The synchronous client. Generated from ``aio.py`` by ``tools/make_sync.py``; do not edit."""\n'


def make() -> str:
    source = (PACKAGE / "aio.py").read_text()
    source = re.sub(r'\A"""[\s\S]*?"""\n', HEADER, source)
    for pattern, replacement in REPLACEMENTS:
        source = re.sub(pattern, replacement, source)
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(PACKAGE / "_sync.py"), "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    target = PACKAGE / "_sync.py"
    if "--check" not in sys.argv:
        target.write_text(make())
    elif target.read_text() != make():
        sys.exit("src/masklet/_sync.py is out of date: python tools/make_sync.py")
