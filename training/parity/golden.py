"""Writes golden files: `golden.json` with metadata, and `arrays.bin.gz` with all arrays concatenated."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

KINDS = {"uint8": np.uint8, "int32": np.int32, "float32": np.float32, "bits": np.uint8}


class GoldenWriter:
    """Collects arrays. `add` returns a reference (kind, shape, offset, bytes) to store in the JSON."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._offset = 0
        self._known: dict[bytes, dict[str, Any]] = {}

    def add(self, array: np.ndarray) -> dict[str, Any]:
        """Adds an array; equal arrays are stored once. Booleans are packed to bits, row by row, the first pixel in the
        highest bit. 64-bit types are converted to 32 bits.
        """
        shape = list(array.shape)
        if array.dtype == bool:
            kind, data = "bits", np.packbits(array.reshape(-1))
        else:
            kind = {"int64": "int32", "float64": "float32"}.get(str(array.dtype), str(array.dtype))
            data = np.ascontiguousarray(array, dtype=KINDS[kind])
        content = data.tobytes()
        key = hashlib.sha256(f"{kind} {shape}".encode() + content).digest()
        if key in self._known:
            return self._known[key]
        padding = -len(content) % 4
        reference = {"kind": kind, "shape": shape, "offset": self._offset, "bytes": len(content)}
        self._parts.append(content + b"\0" * padding)
        self._offset += len(content) + padding
        self._known[key] = reference
        return reference

    def write(self, folder: Path, index: dict[str, Any]) -> int:
        """:return: number of bytes written"""
        folder.mkdir(parents=True, exist_ok=True)
        packed = gzip.compress(b"".join(self._parts), 9, mtime=0)
        (folder / "arrays.bin.gz").write_bytes(packed)
        text = json.dumps(index, separators=(",", ":")) + "\n"
        (folder / "golden.json").write_text(text)
        return len(packed) + len(text)
