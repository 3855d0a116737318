"""Writes the package ``_sync``, the synchronous client, from ``aio``, with ruff. ``--check`` only compares."""

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

HEADER = "# Generated from ``aio`` by ``tools/make_sync.py``; do not edit.\n"
#: Of the package; those of the modules are the same in both.
DOCSTRING = '"""The synchronous client."""\n'


def make(path: Path) -> str:
    source = path.read_text()
    if path.name == "__init__.py":
        source = re.sub(r'\A"""[\s\S]*?"""\n', DOCSTRING, source)
    for pattern, replacement in REPLACEMENTS:
        source = re.sub(pattern, replacement, source)
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(path), "-"]
    return subprocess.run(command, input=HEADER + source, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    made = {path.name: make(path) for path in sorted((PACKAGE / "aio").glob("*.py"))}
    target = PACKAGE / "_sync"
    if "--check" not in sys.argv:
        target.mkdir(exist_ok=True)
        for path in target.glob("*.py"):
            path.unlink()
        for name, text in made.items():
            (target / name).write_text(text)
    elif {path.name: path.read_text() for path in target.glob("*.py")} != made:
        sys.exit("src/masklet/_sync is out of date: python tools/make_sync.py")
