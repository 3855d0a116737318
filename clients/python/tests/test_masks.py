"""Compares the decoders with vectors.json, which test/clients/python-vectors.test.ts writes."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from masklet.masks import (
    decode_envelope,
    decode_message,
    decode_png,
    decode_polygons,
    decode_rle,
    encode_envelope,
    masks_of,
    unpack_mask,
)

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
FRAMES = VECTORS["frames"]


def pixels(rows):
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def message_of(sent):
    return decode_message(base64.b64decode(sent["base64"]) if "base64" in sent else sent["text"])


@pytest.mark.parametrize("frame", FRAMES, ids=[frame["name"] for frame in FRAMES])
@pytest.mark.parametrize("mask_format", ["rle", "binary", "polygons", "png", "label_map"])
def test_every_format_decodes_to_the_same_masks(frame, mask_format):
    message = message_of(frame["messages"][mask_format])
    masks = masks_of(message["outputs"])
    expected = {int(obj_id): pixels(rows) for obj_id, rows in frame["masks"].items()}
    assert list(masks) == list(expected)
    for obj_id, mask in masks.items():
        assert mask.dtype == np.bool_
        want = expected[obj_id].copy()
        if mask_format == "label_map":
            for later, other in expected.items():
                if later > obj_id:
                    want &= ~other
        np.testing.assert_array_equal(mask, want)


def test_outputs_without_masks_have_none():
    assert masks_of(message_of(FRAMES[0]["messages"]["none"])["outputs"]) == {}


def test_label_maps_of_16_bits():
    np.testing.assert_array_equal(decode_png(VECTORS["labels16"]), [[0, 1], [256, 300]])


def test_large_masks_decode_from_packed_bytes_and_from_rle():
    packed = base64.b64decode(VECTORS["large"]["packed"])
    mask = unpack_mask(packed)
    assert mask.shape == (1080, 1920)
    np.testing.assert_array_equal(mask, decode_rle(VECTORS["large"]["rle"]))


def test_simplified_polygons_are_close_to_the_mask():
    large = VECTORS["large"]
    mask = decode_rle(large["rle"])
    polygons = decode_polygons(large["polygons"], large["rle"]["size"])
    assert (mask & polygons).sum() / (mask | polygons).sum() > 0.98


def test_envelopes_are_encoded_and_decoded():
    message = encode_envelope({"type": "push_frame", "name": "ä"}, b"\x01", b"\x02\x03")
    assert decode_envelope(message) == ({"type": "push_frame", "name": "ä"}, b"\x01\x02\x03")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\0\0", "expected 4 bytes with the length of the header, got 2"),
        (b"\0\0\0\x09{}", "expected a header of 9 bytes, as the first 4 bytes state, got 2 bytes"),
        (b"\0\0\0\x02[]", "expected a JSON object as the header, got list"),
        (b"\0\0\0\x02{a", "expected a header of JSON in UTF-8, got 2 bytes"),
        (encode_envelope({"outputs": {"out_mask_bytes": [3]}}, b"ab"), "expected 3 bytes of masks"),
        (encode_envelope({}), "expected a list of lengths in outputs.out_mask_bytes, got None"),
    ],
)
def test_malformed_messages_are_refused(data, expected):
    with pytest.raises(ValueError, match=expected):
        decode_message(data)


def test_cut_and_extended_masks_are_refused():
    packed = base64.b64decode(VECTORS["large"]["packed"])
    for length in [0, 3, 7, len(packed) // 2, len(packed) - 1]:
        with pytest.raises(ValueError, match="expected"):
            unpack_mask(packed[:length])
    with pytest.raises(ValueError, match=f"expected {len(packed)} bytes of mask, got {len(packed) + 1}"):
        unpack_mask(packed + b"\0")


def test_random_bytes_decode_or_are_refused():
    random = np.random.default_rng(7)
    for _ in range(500):
        data = bytes([12, 9, 0, 9]) + random.bytes(int(random.integers(1, 40)))
        try:
            assert unpack_mask(data).shape == (12, 9)
        except ValueError as error:
            assert "expected" in str(error)


@pytest.mark.parametrize("counts", ["5", "7", "6 ", "P", "09N9"])
def test_malformed_rle_is_refused(counts):
    with pytest.raises(ValueError, match="expected"):
        decode_rle({"size": [2, 3], "counts": counts})


def test_malformed_pngs_are_refused():
    for text in ["?", base64.b64encode(b"GIF89a..").decode()]:
        with pytest.raises(ValueError, match="expected a PNG"):
            decode_png(text)
