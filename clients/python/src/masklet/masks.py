"""Decodes the messages and masks of a masklet server. PROTOCOL.md describes the formats.

Masks are Boolean arrays ``[height, width]``. Malformed input raises ``ValueError``, whose message states
what was expected and what was received.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

__all__ = [
    "decode_envelope",
    "decode_label_map",
    "decode_message",
    "decode_png",
    "decode_polygons",
    "decode_rle",
    "encode_envelope",
    "masks_of",
    "unpack_mask",
]

MAX_PIXELS = 2**27
"""The largest picture that a server opens: ``maxPixels``."""

_START_ORDER = 5
_LENGTH_ORDER = 3
_PAIR = 3
_PASS = 4


def masks_of(outputs: Mapping[str, Any]) -> dict[int, Mask]:
    """Returns the masks of a frame by object id, whatever their format; an empty dict with ``none``.

    Objects in ``unchanged_obj_ids`` are not included. In a label map, later objects cover earlier ones.
    """
    ids = outputs["out_obj_ids"]
    masks = _masks(outputs)
    if masks is None:
        return {}
    if len(masks) != len(ids):
        raise ValueError(f"expected {len(ids)} masks, one for each id, got {len(masks)}")
    return dict(zip(ids, masks))


def _masks(outputs: Mapping[str, Any]) -> list[Mask] | None:
    readers: dict[str, Callable[[Any], Mask]] = {
        "out_binary_masks": decode_rle,
        "out_packed_masks": unpack_mask,
        "out_polygons": lambda rings: decode_polygons(rings, outputs["out_mask_size"]),
        "out_png_masks": lambda text: decode_png(text) == 1,
    }
    for field, read in readers.items():
        if field in outputs:
            return [read(mask) for mask in outputs[field]]
    if "out_label_map" in outputs:
        return decode_label_map(outputs["out_label_map"], len(outputs["out_obj_ids"]))
    return None


def decode_message(data: str | bytes) -> dict[str, Any]:
    """Returns a message of the server. ``outputs["out_packed_masks"]`` has the packed masks as ``bytes``."""
    if isinstance(data, str):
        return json.loads(data)
    header, payload = decode_envelope(data)
    outputs = header.get("outputs")
    outputs = outputs if isinstance(outputs, dict) else {}
    lengths = outputs.get("out_mask_bytes")
    if not isinstance(lengths, list) or not all(type(length) is int and length >= 0 for length in lengths):
        raise ValueError(f"expected a list of lengths in outputs.out_mask_bytes, got {lengths!r}")
    if sum(lengths) != len(payload):
        raise ValueError(f"expected {sum(lengths)} bytes of masks, as out_mask_bytes states, got {len(payload)}")
    masks = []
    at = 0
    for length in lengths:
        masks.append(payload[at : at + length])
        at += length
    others = {name: value for name, value in outputs.items() if name != "out_mask_bytes"}
    return {**header, "outputs": {**others, "out_packed_masks": masks}}


def encode_envelope(header: Mapping[str, Any], *payloads: bytes) -> bytes:
    """Returns a binary message, such as ``push_frame``."""
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    return b"".join([struct.pack(">I", len(text)), text, *payloads])


def decode_envelope(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Returns the header and the payload of a binary message."""
    if len(message) < 4:
        raise ValueError(f"expected 4 bytes with the length of the header, got {len(message)}")
    (length,) = struct.unpack_from(">I", message)
    if length > len(message) - 4:
        raise ValueError(
            f"expected a header of {length} bytes, as the first 4 bytes state, got {len(message) - 4} bytes"
        )
    try:
        header = json.loads(message[4 : 4 + length].decode())
    except ValueError as cause:
        raise ValueError(f"expected a header of JSON in UTF-8, got {length} bytes that are not") from cause
    if not isinstance(header, dict):
        raise ValueError(f"expected a JSON object as the header, got {type(header).__name__}")
    return header, bytes(message[4 + length :])


def decode_rle(rle: Mapping[str, Any]) -> Mask:
    """Decodes COCO compressed run-length text, ``{"size": [height, width], "counts": "…"}``."""
    height, width = rle["size"]
    runs: list[int] = []
    value = shift = 0
    for code in rle["counts"].encode("latin-1"):
        bits = code - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError("expected COCO run-length text")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift != 0 or any(run < 0 for run in runs) or sum(runs) != height * width:
        raise ValueError(f"expected runs of {height * width} pixels in all")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def unpack_mask(packed: bytes) -> Mask:
    """Decodes one packed mask of a binary message."""
    reader = _BitReader(packed)
    height, width, first, count = (reader.varint() for _ in range(4))
    if not 0 < height * width <= MAX_PIXELS:
        raise ValueError(f"expected a mask of 1 to {MAX_PIXELS} pixels, got {width}x{height}")
    if first + count > width:
        raise ValueError(f"expected columns within {width}, got {count} from {first}")
    turns = [] if count == 0 else _turns(reader, height, first, count)
    if reader.bytes_read != len(packed):
        raise ValueError(f"expected {reader.bytes_read} bytes of mask, got {len(packed)}")
    # Each turn changes all pixels after it in the column.
    changes = np.zeros((width, height), np.uint8)
    changes.reshape(-1)[turns] = 1
    return (np.bitwise_xor.accumulate(changes, axis=1) == 1).T


def _turns(reader: _BitReader, height: int, first: int, count: int) -> list[int]:
    """Returns the positions ``column * height + row`` of all turns."""
    turns: list[int] = []
    rice = (reader.read(4), reader.read(4))
    zeros = [-1, -1]
    before: list[int] = []
    rows: list[int] = []
    for column in range(first, first + count):
        rows = []
        start = 0
        reference = 0
        while start < height:
            while reference < len(before) and before[reference] < start:
                reference += 1
            at = reference + ((reference ^ len(rows)) & 1)
            context = 0 if at < len(before) else 1
            expected = before[at] if context == 0 else height
            if zeros[context] < 0:
                zeros[context] = (reader.unary() << rice[context]) | reader.read(rice[context])
            row = expected
            zeros[context] -= 1
            if zeros[context] < 0:
                code = reader.unary()
                if code == _PASS:
                    start = (before[at + 1] if at + 1 < len(before) else height) + 1
                    continue
                if code == _PAIR:
                    row = start + reader.distance(_START_ORDER)
                    if row >= height:
                        raise ValueError(f"expected a turn at row {start} to {height - 1}, got {row}")
                    rows.append(row)
                    start = row + 1
                    row = start + reader.distance(_LENGTH_ORDER)
                else:
                    size = code + 1 if code < _PAIR else code - 1
                    row = expected - size if reader.read(1) else expected + size
            if not start <= row <= height:
                raise ValueError(f"expected a turn at row {start} to {height}, got {row}")
            if row < height:
                rows.append(row)
            start = row + 1
        turns.extend(column * height + row for row in rows)
        before = rows
    if not rows:
        raise ValueError("expected a last column with pixels of the mask")
    return turns


class _BitReader:
    """Reads bits from bytes, the highest bit of a byte first."""

    def __init__(self, data: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in data)
        self._at = 0
        self._size = len(data)

    @property
    def bytes_read(self) -> int:
        return (self._at + 7) // 8

    def read(self, count: int) -> int:
        end = self._at + count
        if end > len(self._bits):
            raise self._too_short()
        value = int(self._bits[self._at : end] or "0", 2)
        self._at = end
        return value

    def unary(self) -> int:
        one = self._bits.find("1", self._at)
        if one < 0:
            raise self._too_short()
        zeros = one - self._at
        self._at = one + 1
        return zeros

    def distance(self, order: int) -> int:
        size = self.unary()
        if size > 24:
            raise ValueError(f"expected a distance of at most 24 bits, got {size}")
        upper = (1 << size) | self.read(size)
        return ((upper - 1) << order) | self.read(order)

    def varint(self) -> int:
        value = 0
        for shift in range(0, 22, 7):
            byte = self.read(8)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("expected a number of at most 28 bits at the start of the mask")

    def _too_short(self) -> ValueError:
        return ValueError(f"expected more than {self._size} bytes of mask")


def decode_polygons(rings: Sequence[Sequence[float]], size: Sequence[int]) -> Mask:
    """Fills rings ``[x, y, …]`` by the even-odd rule. ``size`` is height, width."""
    height, width = size
    changes = np.zeros((width, height + 1), np.uint8)
    for ring in rings:
        points = np.asarray(ring, np.float64).reshape(-1, 2)
        for (ax, ay), (bx, by) in zip(np.roll(points, 1, axis=0), points):
            (x0, y0), (x1, y1) = ((ax, ay), (bx, by)) if ax < bx else ((bx, by), (ax, ay))
            columns = np.arange(max(0, int(np.ceil(x0 - 0.5))), min(width, int(np.ceil(x1 - 0.5))))
            if columns.size == 0:
                continue
            # The first row whose centre is below the edge.
            rows = np.ceil(y0 + (y1 - y0) * (columns + 0.5 - x0) / (x1 - x0) - 0.5)
            changes[columns, np.clip(rows, 0, height).astype(np.intp)] ^= 1
    return (np.bitwise_xor.accumulate(changes, axis=1)[:, :height] == 1).T


def decode_label_map(text: str, count: int) -> list[Mask]:
    """Returns the masks of ``count`` objects from a label map in base64."""
    labels = decode_png(text)
    return [labels == position + 1 for position in range(count)]


def decode_png(text: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decodes a greyscale PNG of 1, 8 or 16 bits in base64, with rows of the filters None and Up."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as cause:
        raise ValueError("expected a PNG in base64") from cause
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError(f"expected a PNG, got data that starts with {data[:8]!r}")
    header = b""
    compressed = []
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            header = content
        elif kind == b"IDAT":
            compressed.append(content)
        at += 12 + length
    if len(header) != 13:
        raise ValueError(f"expected a PNG header of 13 bytes, got {len(header)}")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", header)
    if depth not in (1, 8, 16) or colour != 0 or interlace != 0 or not 0 < width * height <= MAX_PIXELS:
        raise ValueError(
            f"expected a greyscale PNG of 1, 8 or 16 bits, not interlaced, of 1 to {MAX_PIXELS} pixels, "
            f"got {width}x{height}, {depth} bits, colour type {colour}, interlacing {interlace}"
        )
    row_bytes = (width * depth + 7) // 8
    expected = height * (1 + row_bytes)
    try:
        raw = zlib.decompressobj().decompress(b"".join(compressed), expected)
    except zlib.error as cause:
        raise ValueError("expected zlib data in the PNG") from cause
    if len(raw) != expected:
        raise ValueError(f"expected {expected} bytes of pixels, got {len(raw)}")
    lines = np.frombuffer(raw, np.uint8).reshape(height, 1 + row_bytes)
    filters, rows = lines[:, 0], lines[:, 1:]
    if not np.isin(filters, (0, 2)).all():
        raise ValueError(f"expected rows with the filters 0 and 2, got {sorted(set(filters.tolist()))}")
    rows = _unfilter(filters, rows)
    if depth == 1:
        return np.unpackbits(rows, axis=1, count=width)
    return rows if depth == 8 else rows.view(">u2").astype(np.uint16)


def _unfilter(filters: NDArray[np.uint8], rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Adds to each row with the filter Up the row above it, modulo 256."""
    plain = np.empty_like(rows)
    starts = np.flatnonzero(filters == 0).tolist()
    for start, end in zip([0, *starts], [*starts, len(rows)]):
        if start < end:
            plain[start:end] = np.cumsum(rows[start:end], axis=0, dtype=np.uint8)
    return plain
