"""Converts the three graphs of SAM 3's detector published as `jamjamjon/usls` (release `sam3`, version 2; also HF
`rectlabel`).

Their image encoder returns a pyramid, 21 times as large as the single map in the `trunk` of exported packs. It is
packed into one tensor without loss (space to depth): 111 MB per frame at SAM 3's size.

Without boxes a prompt contains no geometry: labels of -10 hide every token, including the summary token.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from .compose import LOWEST_OPSET, Composer
from .jax_video import FAMILIES, FLOAT, INT, Sizes, normalise
from .published import AdaptError, Published, open_published

DECODER_INPUTS = (
    "fpn_feat_0", "fpn_feat_1", "fpn_feat_2", "fpn_pos_2", "text_features", "text_mask", "input_boxes",
    "input_boxes_labels",
)  # fmt: skip
MOST_KEPT = 32  # detections per concept; their masks are copied to the host


@dataclass(frozen=True)
class DetectorFiles:
    vision: Published
    text: Published
    decoder: Published
    trunk_channels: int
    width: int
    text_length: int
    kept: int
    opset: int
    position: np.ndarray  # [1,D,g,g]


def open_detector(folder: Path, sizes: Sizes) -> DetectorFiles:
    """:raises AdaptError: with the file and tensor that do not match the layout or the tracker's sizes"""
    pyramid = ("fpn_feat_0", "fpn_feat_1", "fpn_feat_2", "fpn_pos_2")
    vision = open_published(folder, "vision-encoder.onnx", ("images",), pyramid)
    text = open_published(folder, "text-encoder.onnx", ("input_ids", "attention_mask"), ("text_features", "text_mask"))
    decoder = open_published(
        folder, "geo-encoder-mask-decoder.onnx", DECODER_INPUTS,
        ("pred_masks", "pred_boxes", "pred_logits", "presence_logits"),
    )  # fmt: skip
    picture = np.zeros((1, 3, sizes.S, sizes.S), np.float32)
    *levels, position = vision.run(list(pyramid), {"images": picture})
    width = levels[-1].shape[1]
    for name, level, scale in zip(pyramid, levels, (4, 2, 1)):
        wanted = (1, width, scale * sizes.g, scale * sizes.g)
        if level.shape != wanted:
            raise AdaptError(f'vision-encoder.onnx: output "{name}" does not fit: expected {list(wanted)}, found {list(level.shape)}.')
    if width != sizes.D:
        raise AdaptError(f"vision-encoder.onnx: features are {width} wide, expected {sizes.D} (the tracker's width).")
    length = text.model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    if length == 0:
        raise AdaptError('text-encoder.onnx: input "input_ids" has a dynamic length, expected a fixed one.')
    queries, side = probe_decoder(decoder, levels, position, length)
    if side != sizes.m:
        raise AdaptError(f"geo-encoder-mask-decoder.onnx: masks are {side} wide, expected {sizes.m} (the tracker's size).")
    return DetectorFiles(
        vision, text, decoder,
        trunk_channels=width * (16 + 4 + 1), width=width, text_length=length, kept=min(MOST_KEPT, queries),
        opset=max(LOWEST_OPSET, vision.opset, text.opset, decoder.opset), position=position,
    )  # fmt: skip


def probe_decoder(decoder: Published, levels: list[np.ndarray], position: np.ndarray, length: int) -> tuple[int, int]:
    """:return: number of queries and side of the masks"""
    mask = np.ones((1, length)).astype(numpy_type(decoder, "text_mask"))
    inputs = dict(zip(DECODER_INPUTS, (*levels, position, np.zeros((1, length, levels[-1].shape[1]), np.float32), mask)))
    inputs["input_boxes"] = np.full((1, 1, 4), 0.5, np.float32)
    inputs["input_boxes_labels"] = np.full((1, 1), -10).astype(numpy_type(decoder, "input_boxes_labels"))
    (masks,) = decoder.run(["pred_masks"], inputs)
    return masks.shape[1], masks.shape[-1]


def numpy_type(graph: Published, name: str) -> np.dtype[Any]:
    return helper.tensor_dtype_to_np_dtype(graph.element_type(name))


def add_trunk(files: DetectorFiles, composer: Composer, z: Sizes) -> dict[str, tuple[str, int, Any]]:
    """Adds the detector's features to a graph whose input `image` is uint8 [1,S,S,3]."""
    out = composer.embed(files.vision, {"images": normalise(composer, *FAMILIES["sam3"].pixels)})
    packed = [
        composer.op("SpaceToDepth", out["fpn_feat_0"], blocksize=4),
        composer.op("SpaceToDepth", out["fpn_feat_1"], blocksize=2),
        out["fpn_feat_2"],
    ]
    trunk = composer.op("Concat", *packed, axis=1)
    return {"trunk": (trunk, FLOAT, (1, files.trunk_channels, z.g, z.g))}


def text_graph(files: DetectorFiles) -> onnx.ModelProto:
    composer, length = Composer("text", files.opset), files.text_length
    inputs = {name: composer.op("Cast", name, to=files.text.element_type(name)) for name in ("input_ids", "attention_mask")}
    out = composer.embed(files.text, inputs)
    return composer.finish(
        {name: (INT, ("C", length)) for name in ("input_ids", "attention_mask")},
        {"text": (out["text_features"], FLOAT, ("C", length, files.width))},
    )


def detect_graph(files: DetectorFiles, z: Sizes) -> onnx.ModelProto:
    composer, width, length, kept = Composer("detect", files.opset), files.width, files.text_length, files.kept
    sizes = composer.ints(16 * width, 4 * width, width)
    fine, middle, coarse = composer.ops("Split", "trunk", sizes, outputs=3, axis=1)
    levels = {
        "fpn_feat_0": composer.op("DepthToSpace", fine, blocksize=4),
        "fpn_feat_1": composer.op("DepthToSpace", middle, blocksize=2),
        "fpn_feat_2": coarse,
        "fpn_pos_2": composer.constant(files.position),
    }

    def body(row: Composer, text: str, text_mask: str, boxes: str, labels: str) -> list[str]:
        first = row.ints(0)
        types = {name: files.decoder.element_type(name) for name in ("text_mask", "input_boxes_labels")}
        out = row.embed(
            files.decoder,
            levels
            | {
                "text_features": row.op("Unsqueeze", text, first),
                "text_mask": row.op("Cast", row.op("Unsqueeze", text_mask, first), to=types["text_mask"]),
                "input_boxes": row.op("Unsqueeze", boxes, first),
                "input_boxes_labels": row.op("Cast", row.op("Unsqueeze", labels, first), to=types["input_boxes_labels"]),
            },
        )
        presence = row.op("Sigmoid", row.op("ReduceMax", out["presence_logits"], keepdims=0))
        scores = row.op("Mul", row.op("Sigmoid", row.without(out["pred_logits"], 0)), presence)
        best, which = row.ops("TopK", scores, row.ints(kept), outputs=2, axis=0)
        boxes_out = row.op("Gather", row.without(out["pred_boxes"], 0), which, axis=0)
        masks = row.op("Gather", row.without(out["pred_masks"], 0), which, axis=0)
        return [best, boxes_out, masks, presence]

    scores, boxes, masks, presence = composer.scan(
        [
            ("text", FLOAT, (length, width)),
            ("text_mask", INT, (length,)),
            ("boxes", FLOAT, ("E", 4)),
            ("box_labels", INT, ("E",)),
        ],
        body,
        [(FLOAT, (kept,)), (FLOAT, (kept, 4)), (FLOAT, (kept, z.m, z.m)), (FLOAT, ())],
    )
    return composer.finish(
        {
            "trunk": (FLOAT, (1, files.trunk_channels, z.g, z.g)),
            "text": (FLOAT, ("C", length, width)),
            "text_mask": (INT, ("C", length)),
            "boxes": (FLOAT, ("C", "E", 4)),
            "box_labels": (INT, ("C", "E")),
        },
        {
            "scores": (scores, FLOAT, ("C", kept)),
            "boxes_out": (boxes, FLOAT, ("C", kept, 4)),
            "masks": (masks, FLOAT, ("C", kept, z.m, z.m)),
            "presence": (presence, FLOAT, ("C",)),
        },
    )
