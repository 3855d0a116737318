"""What can be uploaded: files, folders, and pictures in memory."""

from __future__ import annotations

import io
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Union

import numpy as np
from numpy.typing import NDArray

Picture = Any
"""uint8 ``[h, w, 3]`` in RGB or ``[h, w]`` grey, a ``PIL.Image.Image``, a tensor, or the bytes of a picture file."""

Source = Union[str, "os.PathLike[str]", bytes, NDArray[Any], Sequence[Picture]]
"""A file, a folder of pictures, the bytes of a file, uint8 ``[n, h, w, 3]`` in RGB, or a list of pictures."""

_IN_MEMORY_BYTES = 64 * 2**20


@contextmanager
def open_source(source: Source) -> Iterator[tuple[IO[bytes], int, str | None]]:
    """Opens what is sent: a file object, its size in bytes, and a name for display."""
    if isinstance(source, (bytes, bytearray)):
        yield io.BytesIO(source), len(source), None
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if path.is_dir():
            names = [entry for entry in sorted(path.iterdir()) if entry.is_file() and entry.name[0] != "."]
            if not names:
                raise ValueError(f"{path} cannot be sent: the folder contains no files")
            with _archive([(entry.name, entry) for entry in names]) as (file, size):
                yield file, size, path.name
        else:
            with open(path, "rb") as file:
                yield file, os.fstat(file.fileno()).st_size, path.name
    else:
        pictures = list(to_numpy(source)) if hasattr(source, "shape") else list(source)
        if not pictures:
            raise ValueError("expected at least one picture, got none")
        with _archive([(f"{at:07d}", picture) for at, picture in enumerate(pictures)]) as (file, size):
            yield file, size, None


@contextmanager
def open_annotations(source: Source) -> Iterator[tuple[IO[bytes], int]]:
    """Opens a file of annotations, its bytes, or a folder with its subfolders: a file object and its size in bytes."""
    if not isinstance(source, (str, os.PathLike, bytes, bytearray)):
        raise ValueError(f"expected a file, a folder or bytes, got {type(source).__name__}")
    if isinstance(source, (bytes, bytearray)) or not Path(source).is_dir():
        with open_source(source) as (file, size, _):
            yield file, size
        return
    folder = Path(source)
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name[0] != "."]
    if not paths:
        raise ValueError(f"{folder} cannot be imported: the folder contains no files")
    with _archive([(path.relative_to(folder).as_posix(), path) for path in paths]) as (file, size):
        yield file, size


@contextmanager
def _archive(entries: Sequence[tuple[str, Picture | Path]]) -> Iterator[tuple[IO[bytes], int]]:
    """A ZIP archive without compression: pictures are compressed already. Large ones are on disk."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in entries:
                if isinstance(content, Path):
                    archive.write(content, name)
                else:
                    # With a fixed time, the same pictures are the same bytes, of which an upload can send the rest.
                    archive.writestr(zipfile.ZipInfo(name), encode_picture(content))
        size = file.tell()
        file.seek(0)
        yield file, size


def is_pictures(source: object) -> bool:
    """True for pictures in memory; false for paths."""
    return not isinstance(source, (str, os.PathLike))


def to_numpy(value: Any) -> NDArray[Any]:
    """Any array or tensor as a NumPy array, without an import of the tensor's library."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if hasattr(value, "float") and "bfloat16" in str(getattr(value, "dtype", "")):
            value = value.float()
        value = value.numpy()
    return np.asarray(value)


def plain(value: Any) -> Any:
    """Arrays, tensors and NumPy numbers as lists and numbers of Python."""
    if hasattr(value, "detach") or isinstance(value, (np.ndarray, np.generic)):
        return to_numpy(value).tolist()
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value


def depth_of(values: Any) -> int:
    """The number of axes of nested lists."""
    return 1 + depth_of(values[0]) if isinstance(values, list) and values else int(isinstance(values, list))


def encode_picture(picture: Picture) -> bytes:
    """A picture file: the given bytes, or a PNG without loss."""
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return bytes(picture)
    if isinstance(picture, (str, os.PathLike)):
        return Path(picture).read_bytes()
    if hasattr(picture, "convert") and hasattr(picture, "size"):  # a picture of Pillow
        return encode_png(np.asarray(picture.convert("RGB")))
    return encode_png(to_numpy(picture))


def encode_png(pixels: NDArray[Any]) -> bytes:
    """A PNG of uint8 ``[h, w, 3]`` (RGB) or ``[h, w]`` (grey)."""
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ValueError(
            "expected a picture of uint8 [height, width, 3] or [height, width], "
            f"got {pixels.dtype} {list(pixels.shape)}"
        )
    height, width = pixels.shape[:2]
    if height == 0 or width == 0:
        raise ValueError(f"expected a picture with pixels, got {width}x{height}")
    rows = pixels.reshape(height, -1)
    # Filter 2 (Up): each row as the difference to the one above it.
    lines = np.empty((height, rows.shape[1] + 1), np.uint8)
    lines[:, 0] = 2
    lines[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def mask_array(mask: Any) -> NDArray[np.bool_]:
    """bool ``[h, w]`` from a mask ``[h, w]`` or ``[1, h, w]``; pixels above 0 are inside."""
    array = to_numpy(mask)
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2:
        raise ValueError(f"mask: expected [height, width], got {list(array.shape)}")
    return array > 0


def png_mask(mask: Any) -> dict[str, Any]:
    """The field ``mask`` of a prompt, from what ``mask_array`` accepts."""
    import base64

    inside = mask_array(mask).astype(np.uint8) * 255
    return {"png": base64.b64encode(encode_png(inside)).decode()}
