"""Converts the four graphs of `jax-image-tools/{sam3,sam21-tiny,edgetam}-video-onnx` to graphs of the Model Pack
contract.

The published graphs process one object; the adapted ones process B objects in sequence (Scan). The published graphs
expect small arrays of the checkpoint from their host: the no-memory embedding, the temporal table and the pointers'
time. The adapted graphs contain them.

Not supported, because the files do not provide it: a previous mask as a prompt; several candidates per prompt; a
single mask for boxes (the decoder treats every prompt as an ambiguous click); a score input of the memory encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from .compose import LOWEST_OPSET, Composer, Shape
from .published import AdaptError, Constants, Published, open_published

FLOAT, INT, BYTE, BOOL = TensorProto.FLOAT, TensorProto.INT32, TensorProto.UINT8, TensorProto.BOOL

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALVES = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
STABILITY_DELTA = 0.05  # value in SAM 2's and SAM 3's decoders


@dataclass(frozen=True)
class Family:
    """Properties that the files do not contain"""

    name: str
    license: str
    pixels: tuple[list[float], list[float]]  # mean and standard deviation, 0..1
    max_conditioning: int  # conditioning frames used at once; -1 for all
    timed_pointers: bool
    # The memory is a map of cells, so an embedding for absent objects can still be added.
    memory_is_map: bool


FAMILIES = {
    "sam3": Family("sam3", "SAM License", HALVES, 4, timed_pointers=True, memory_is_map=True),
    "sam2": Family("sam2", "Apache-2.0", IMAGENET, -1, timed_pointers=True, memory_is_map=True),
    "edgetam": Family("edgetam", "Apache-2.0", IMAGENET, -1, timed_pointers=False, memory_is_map=False),
}

LEVELS = ("feat", "feat_s1", "feat_s0")


@dataclass(frozen=True)
class Sizes:
    """Sizes, named as in the manifest"""

    S: int
    g: int
    D: int
    Dm: int
    T: int
    m: int


@dataclass(frozen=True)
class VideoFiles:
    """The four published graphs and the results of one probing run"""

    family: Family
    vision: Published
    decoder: Published
    attention: Published
    encoder: Published
    constants: Constants
    sizes: Sizes
    opset: int
    image_position: np.ndarray  # [1,D,g,g]
    memory_position: np.ndarray  # [T,Dm]
    unit_axes: dict[str, tuple[int, ...]]  # axes of length 1 to remove from their outputs

    @property
    def temporal_table(self) -> np.ndarray:
        """[rows,Dm]: encoding of a memory's age; the last row is for conditioning frames"""
        table = self.constants.get("memory_temporal_positional_encoding")
        if table is None or table.size % self.sizes.Dm:
            table = self.constants.need("memory_temporal_positional_encoding", (7, self.sizes.Dm))
        return table.reshape(-1, self.sizes.Dm)

    @property
    def temporal_rows(self) -> int:
        return len(self.temporal_table)


def open_video(folder: Path, family: Family, constants: Constants) -> VideoFiles:
    """:raises AdaptError: with the file and tensor that do not match the layout"""
    feats = ("feats0", "feats1", "feats2")
    vision = open_published(folder, "vision_encoder.onnx", ("pixel_values",), (*feats, "pos2"))
    decoder = open_published(
        folder, "mask_decoder.onnx", (*feats, "input_points", "input_labels"),
        ("pred_masks", "iou_scores", "object_pointer", "object_score_logits"),
    )  # fmt: skip
    attention = open_published(
        folder, "memory_attention.onnx",
        (
            "current_vision_features", "current_vision_position_embeddings", "spatial_memory",
            "spatial_memory_position_embeddings", "pointer_memory", "pointer_memory_position_embeddings",
        ),
        ("conditioned_features",),
    )  # fmt: skip
    encoder = open_published(
        folder, "memory_encoder.onnx", ("vision_features", "pred_masks_high_res", "is_mask_from_pts"),
        ("memory_tokens", "memory_pos_enc"),
    )  # fmt: skip
    sizes, image_position, memory_position, unit_axes = probe(vision, decoder, attention, encoder)
    opset = max(LOWEST_OPSET, *(graph.opset for graph in (vision, decoder, attention, encoder)))
    return VideoFiles(family, vision, decoder, attention, encoder, constants, sizes, opset, image_position, memory_position, unit_axes)


def probe(
    vision: Published, decoder: Published, attention: Published, encoder: Published
) -> tuple[Sizes, np.ndarray, np.ndarray, dict[str, tuple[int, ...]]]:
    """Runs the graphs once. Returns sizes, the constant position encodings that the graphs return with every frame, and
    axes of length 1.
    """
    shape = [axis.dim_value for axis in vision.model.graph.input[0].type.tensor_type.shape.dim]
    if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or shape[2] == 0:
        raise AdaptError(f'vision_encoder.onnx: input "pixel_values" does not fit: expected [1, 3, S, S], found {shape}.')
    S = shape[2]
    random = np.random.default_rng(0)
    pictures = [random.standard_normal((1, 3, S, S), dtype=np.float32) for _ in range(2)]
    (*levels, position), (other,) = (
        vision.run(["feats0", "feats1", "feats2", "pos2"], {"pixel_values": pictures[0]}),
        vision.run(["pos2"], {"pixel_values": pictures[1]}),
    )
    if not np.array_equal(position, other):
        raise AdaptError('vision_encoder.onnx: output "pos2" changes with the image, expected a constant.')
    feats0, feats1, feat = levels
    _, D, g, _ = feat.shape
    for name, level, wanted in (
        ("feats0", feats0, (1, D // 8, 4 * g, 4 * g)),
        ("feats1", feats1, (1, D // 4, 2 * g, 2 * g)),
        ("feats2", feat, (1, D, g, g)),
    ):
        if level.shape != wanted:
            raise AdaptError(f'vision_encoder.onnx: output "{name}" does not fit: expected {list(wanted)}, found {list(level.shape)}.')
    prompt = {"input_points": np.full((1, 1, 1, 2), S / 2, np.float32), "input_labels": np.ones((1, 1, 1), np.int32)}
    levels = {"feats0": feats0, "feats1": feats1, "feats2": feat}
    mask, pointer = decoder.run(["pred_masks", "object_pointer"], levels | prompt)
    if mask.size != mask.shape[-1] ** 2:
        raise AdaptError(f'mask_decoder.onnx: output "pred_masks" does not fit: expected one square mask, found {list(mask.shape)}.')
    memories = []
    for sign in (1, -1):
        large = np.full((1, 1, S, S), 10 * sign, np.float32)
        inputs = {"vision_features": feat, "pred_masks_high_res": large, "is_mask_from_pts": np.array([sign > 0])}
        memories.append(encoder.run(["memory_tokens", "memory_pos_enc"], inputs))
    (tokens, place), (_, other) = memories
    if not np.array_equal(place, other):
        raise AdaptError('memory_encoder.onnx: output "memory_pos_enc" changes with the mask, expected a constant.')
    z = Sizes(S=S, g=g, D=D, Dm=tokens.shape[-1], T=tokens.shape[0], m=mask.shape[-1])
    frame = np.zeros((g * g, 1, D), np.float32)
    pointers = np.zeros((D // z.Dm, 1, z.Dm), np.float32)
    (seen,) = attention.run(
        ["conditioned_features"],
        {
            "current_vision_features": frame, "current_vision_position_embeddings": frame,
            "spatial_memory": tokens, "spatial_memory_position_embeddings": place,
            "pointer_memory": pointers, "pointer_memory_position_embeddings": pointers,
        },
    )  # fmt: skip
    unit_axes = {
        "pred_masks": leading_units("mask_decoder.onnx", "pred_masks", mask, (z.m, z.m)),
        "object_pointer": leading_units("mask_decoder.onnx", "object_pointer", pointer, (D,)),
        "conditioned_features": leading_units("memory_attention.onnx", "conditioned_features", seen, (g * g, D)),
        "memory_tokens": leading_units("memory_encoder.onnx", "memory_tokens", tokens, (z.T, z.Dm)),
    }
    return z, position, place.reshape(z.T, z.Dm), unit_axes


def leading_units(file: str, name: str, found: np.ndarray, wanted: Shape) -> tuple[int, ...]:
    """Axes of length 1 to remove so that a result has the wanted shape.

    :raises AdaptError: if no such axes exist
    """
    units, rest = [], list(wanted)
    for axis, size in enumerate(found.shape):
        if rest and size == rest[0]:
            rest.pop(0)
        else:
            units.append(axis)
    if rest or any(found.shape[axis] != 1 for axis in units):
        raise AdaptError(f'{file}: output "{name}" does not fit: expected {list(wanted)} among axes of 1, found {list(found.shape)}.')
    return tuple(units)


def encode_graph(files: VideoFiles, composer: Composer) -> dict[str, tuple[str, int, Any]]:
    """Adds the frame's features to a graph whose input `image` is uint8 [1,S,S,3]."""
    z = files.sizes
    pixels = normalise(composer, *files.family.pixels)
    out = composer.embed(files.vision, {"pixel_values": pixels})
    return {
        "feat": (out["feats2"], FLOAT, (1, z.D, z.g, z.g)),
        "feat_s1": (out["feats1"], FLOAT, (1, z.D // 4, 2 * z.g, 2 * z.g)),
        "feat_s0": (out["feats0"], FLOAT, (1, z.D // 8, 4 * z.g, 4 * z.g)),
    }


def normalise(composer: Composer, mean: list[float], deviation: list[float]) -> str:
    """`image` → float [1,3,S,S]"""
    planes = composer.op("Cast", composer.op("Transpose", "image", perm=[0, 3, 1, 2]), to=FLOAT)
    shape = (1, 3, 1, 1)
    centred = composer.op("Sub", planes, composer.constant(np.reshape(mean, shape) * 255))
    return composer.op("Div", centred, composer.constant(np.reshape(deviation, shape) * 255))


def image_inputs(z: Sizes) -> dict[str, tuple[int, Any]]:
    return {"image": (BYTE, (1, z.S, z.S, 3))}


def level_inputs(z: Sizes) -> dict[str, tuple[int, Any]]:
    return {
        "feat": (FLOAT, (1, z.D, z.g, z.g)),
        "feat_s1": (FLOAT, (1, z.D // 4, 2 * z.g, 2 * z.g)),
        "feat_s0": (FLOAT, (1, z.D // 8, 4 * z.g, 4 * z.g)),
    }


POINTS = {"points": (FLOAT, ("B", "N", 2)), "labels": (INT, ("B", "N"))}
POINT_ROWS = [("points", FLOAT, ("N", 2)), ("labels", INT, ("N",))]


def decode(files: VideoFiles, composer: Composer, image: str, points: str, labels: str) -> dict[str, str]:
    """One object: image [1,D,g,g], points [N,2] relative to the frame, labels [N] → mask [m,m], iou [], score [],
    pointer [D]
    """
    z = files.sizes
    pixels = composer.op("Mul", points, composer.constant(z.S))
    axes = composer.ints(0, 1)
    out = composer.embed(
        files.decoder,
        {
            "feats0": "feat_s0", "feats1": "feat_s1", "feats2": image,
            "input_points": composer.op("Unsqueeze", pixels, axes),
            "input_labels": composer.op("Unsqueeze", labels, axes),
        },
    )  # fmt: skip
    return {
        "mask": composer.without(out["pred_masks"], *files.unit_axes["pred_masks"]),
        # The graphs return the candidate with the highest predicted IoU.
        "iou": composer.op("ReduceMax", out["iou_scores"], keepdims=0),
        "score": composer.op("ReduceMax", out["object_score_logits"], keepdims=0),
        "pointer": composer.without(out["object_pointer"], *files.unit_axes["object_pointer"]),
    }


def segment_graph(files: VideoFiles) -> onnx.ModelProto:
    z = files.sizes
    composer = Composer("segment", files.opset)
    no_memory = files.constants.need("no_memory_embedding", (1, z.D, 1, 1))
    image = composer.op("Add", "feat", composer.constant(no_memory))

    def body(row: Composer, points: str, labels: str) -> list[str]:
        out = decode(files, row, image, points, labels)
        return [out[name] for name in ("mask", "iou", "score", "pointer")]

    mask, iou, score, pointer = composer.scan(POINT_ROWS, body, [(FLOAT, (z.m, z.m)), (FLOAT, ()), (FLOAT, ()), (FLOAT, (z.D,))])
    axis = composer.ints(1)
    four = [composer.op("Unsqueeze", value, axis) for value in (mask, iou, pointer)]
    masks, ious, pointers = (composer.op("Concat", *[value] * 4, axis=1) for value in four)
    best = composer.op("Cast", composer.op("Mul", score, composer.constant(0)), to=INT)
    return composer.finish(
        level_inputs(z) | POINTS,
        {
            "masks": (masks, FLOAT, ("B", 4, z.m, z.m)),
            "iou": (ious, FLOAT, ("B", 4)),
            "stability": (stability(composer, mask), FLOAT, ("B",)),
            "score": (score, FLOAT, ("B",)),
            "pointer": (pointers, FLOAT, ("B", 4, z.D)),
            "best": (best, INT, ("B",)),
        },
    )


def stability(composer: Composer, mask: str) -> str:
    """[B,m,m] → [B]"""

    def area(threshold: float) -> str:
        inside = composer.op("Cast", composer.op("Greater", mask, composer.constant(threshold)), to=FLOAT)
        return composer.op("ReduceSum", inside, composer.ints(1, 2), keepdims=0)

    outer = area(-STABILITY_DELTA)
    ratio = composer.op("Div", area(STABILITY_DELTA), composer.op("Max", outer, composer.constant(1)))
    # An empty mask is stable.
    return composer.op("Where", composer.op("Greater", outer, composer.constant(0)), ratio, composer.constant(1))


def track_graph(files: VideoFiles) -> onnx.ModelProto:
    z, timed = files.sizes, files.family.timed_pointers
    composer = Composer("track", files.opset)
    rows = composer.constant(files.temporal_table)
    place = composer.constant(files.memory_position)
    frame = tokens(composer, "feat", z)
    position = composer.constant(files.image_position.reshape(z.D, -1).T[:, None])

    def body(row: Composer, memory: str, memory_t: str, pointers: str, *rest: str) -> list[str]:
        *time, points, labels = rest
        when = row.op("Unsqueeze", row.op("Gather", rows, memory_t), row.ints(1))
        parts = row.op("Reshape", pointers, pointer_shape(row, pointers, z))
        age = row.op("Mul", parts, row.constant(0))
        if time:
            age = row.op("Add", age, pointer_age(files, row, time[0]))
        out = row.embed(
            files.attention,
            {
                "current_vision_features": frame,
                "current_vision_position_embeddings": position,
                "spatial_memory": row.reshape(memory, -1, 1, z.Dm),
                "spatial_memory_position_embeddings": row.reshape(row.op("Add", when, place), -1, 1, z.Dm),
                "pointer_memory": sequence(row, parts, z),
                "pointer_memory_position_embeddings": sequence(row, age, z),
            },
        )
        seen = row.without(out["conditioned_features"], *files.unit_axes["conditioned_features"])
        cells = row.op("Transpose", seen, perm=[1, 0])
        found = decode(files, row, row.reshape(cells, 1, z.D, z.g, z.g), points, labels)
        return [found[name] for name in ("mask", "score", "iou", "pointer")]

    mask, score, iou, pointer = composer.scan(
        [
            ("memory", FLOAT, ("M", z.T, z.Dm)),
            ("memory_t", INT, ("M",)),
            ("pointers", FLOAT, ("P", z.D)),
            *([("pointer_dt", FLOAT, ("P",))] if timed else []),
            *POINT_ROWS,
        ],
        body,
        [(FLOAT, (z.m, z.m)), (FLOAT, ()), (FLOAT, ()), (FLOAT, (z.D,))],
    )
    return composer.finish(
        level_inputs(z)
        | {
            "memory": (FLOAT, ("B", "M", z.T, z.Dm)),
            "memory_t": (INT, ("B", "M")),
            "pointers": (FLOAT, ("B", "P", z.D)),
        }
        | ({"pointer_dt": (FLOAT, ("B", "P"))} if timed else {})
        | POINTS,
        {
            "mask": (composer.op("Unsqueeze", mask, composer.ints(1)), FLOAT, ("B", 1, z.m, z.m)),
            "score": (score, FLOAT, ("B",)),
            "iou": (iou, FLOAT, ("B",)),
            "pointer": (pointer, FLOAT, ("B", z.D)),
        },
    )


def tokens(composer: Composer, feat: str, z: Sizes) -> str:
    """[1,D,g,g] → [g²,1,D]"""
    cells = composer.op("Transpose", composer.reshape(feat, z.D, z.g**2), perm=[1, 0])
    return composer.op("Unsqueeze", cells, composer.ints(1))


def pointer_shape(row: Composer, pointers: str, z: Sizes) -> str:
    """[P, D/Dm, Dm], also without pointers, where the shape could not be inferred from the values"""
    count = row.op("Shape", pointers, start=0, end=1)
    return row.op("Concat", count, row.ints(z.D // z.Dm, z.Dm), axis=0)


def sequence(row: Composer, parts: str, z: Sizes) -> str:
    """[P,D/Dm,Dm] → [P·D/Dm,1,Dm]"""
    count = row.op("Mul", row.op("Shape", parts, start=0, end=1), row.ints(z.D // z.Dm))
    return row.op("Reshape", parts, row.op("Concat", count, row.ints(1, z.Dm), axis=0), allowzero=1)


def pointer_age(files: VideoFiles, row: Composer, time: str) -> str:
    """dt [P] → [P,1,Dm]: projected sines (`get_1d_sine_pe` of transformers)"""
    z, half = files.sizes, files.sizes.D // 2
    weight = files.constants.need("temporal_positional_encoding_projection_layer.weight", (z.Dm, z.D))
    bias = files.constants.need("temporal_positional_encoding_projection_layer.bias", (z.Dm,))
    steps = np.arange(half)
    period = 10000.0 ** (2 * (steps // 2) / half)
    angles = row.op("Div", row.op("Unsqueeze", time, row.ints(1)), row.constant(period))
    waves = row.op("Concat", row.op("Sin", angles), row.op("Cos", angles), axis=1)
    age = row.op("Add", row.op("MatMul", waves, row.constant(weight.T)), row.constant(bias))
    return row.op("Unsqueeze", age, row.ints(1))


def remember_graph(files: VideoFiles) -> onnx.ModelProto:
    z = files.sizes
    composer = Composer("remember", files.opset)
    count = composer.op("Shape", "mask", start=0, end=2)
    size = composer.op("Concat", count, composer.ints(z.S, z.S), axis=0)
    large = composer.op("Resize", "mask", "", "", size, mode="linear", coordinate_transformation_mode="half_pixel")
    absent = files.constants.get("occlusion_spatial_embedding_parameter") if files.family.memory_is_map else None

    def body(row: Composer, mask: str, score: str, binarize: str) -> list[str]:
        given = row.reshape(row.op("Greater", binarize, row.constant(0)), 1)
        out = row.embed(
            files.encoder,
            {
                "vision_features": "feat",
                "pred_masks_high_res": row.op("Unsqueeze", mask, row.ints(0)),
                "is_mask_from_pts": given,
            },
        )
        memory = row.without(out["memory_tokens"], *files.unit_axes["memory_tokens"])
        if absent is not None:
            gone = row.op("Cast", row.op("LessOrEqual", score, row.constant(0)), to=FLOAT)
            memory = row.op("Add", memory, row.op("Mul", gone, row.constant(absent.reshape(1, z.Dm))))
        return [memory]

    (memory,) = composer.scan(
        [(large, FLOAT, (1, z.S, z.S)), ("score", FLOAT, ()), ("binarize", FLOAT, ())],
        body,
        [(FLOAT, (z.T, z.Dm))],
    )
    return composer.finish(
        {
            "feat": (FLOAT, (1, z.D, z.g, z.g)),
            "mask": (FLOAT, ("B", 1, "h", "w")),
            "score": (FLOAT, ("B",)),
            "binarize": (FLOAT, ("B",)),
        },
        {"memory": (memory, FLOAT, ("B", z.T, z.Dm))},
    )


def seed_graph(files: VideoFiles) -> onnx.ModelProto:
    """Creates an object from a mask, for packs with a detector. The decoder accepts no mask, so its input is the mask's
    box.

    The mask is returned unchanged. Only the pointer comes from the decoder's output for the box.
    """
    z = files.sizes
    composer = Composer("seed", files.opset)
    nobody = composer.constant(files.constants.need("no_object_pointer", (z.D,)))
    no_memory = files.constants.need("no_memory_embedding", (1, z.D, 1, 1))
    image = composer.op("Add", "feat", composer.constant(no_memory))
    corners = composer.constant([2, 3], np.int32)

    def body(row: Composer, mask: str) -> list[str]:
        inside = row.op("Greater", mask, row.constant(0.5))
        edges = [box_edges(row, inside, axis) for axis in (1, 0)]  # horizontal, then vertical
        low, high = (row.op("Concat", *(edge[side] for edge in edges), axis=0) for side in (0, 1))
        points = row.op("Concat", row.op("Unsqueeze", low, row.ints(0)), row.op("Unsqueeze", high, row.ints(0)), axis=0)
        out = decode(files, row, image, points, corners)
        counts = row.op("Cast", inside, to=FLOAT)
        seen = row.op("Greater", row.op("ReduceSum", counts, keepdims=0), row.constant(0))
        score = row.op("Where", seen, row.constant(10), row.constant(-10))
        return [row.op("Where", seen, out["pointer"], nobody), score]

    flat = composer.op("Squeeze", "mask", composer.ints(1))
    pointer, score = composer.scan([(flat, FLOAT, ("h", "w"))], body, [(FLOAT, (z.D,)), (FLOAT, ())])
    count = composer.op("Shape", "mask", start=0, end=2)
    size = composer.op("Concat", count, composer.ints(z.m, z.m), axis=0)
    small = composer.op("Resize", "mask", "", "", size, mode="linear", coordinate_transformation_mode="half_pixel")
    logits = composer.op("Sub", composer.op("Mul", small, composer.constant(20)), composer.constant(10))
    return composer.finish(
        level_inputs(z) | {"mask": (FLOAT, ("B", 1, "h", "w"))},
        {
            "pointer": (pointer, FLOAT, ("B", z.D)),
            "score": (score, FLOAT, ("B",)),
            "mask_logits": (logits, FLOAT, ("B", 1, z.m, z.m)),
        },
    )


def box_edges(row: Composer, inside: str, axis: int) -> tuple[str, str]:
    """bool [h,w] → first and last non-empty position along an axis, relative to its length, [1] each"""
    # ReduceSum instead of ReduceMax, whose axes are passed differently before and after opset 18.
    count = row.op("ReduceSum", row.op("Cast", inside, to=INT), row.ints(1 - axis), keepdims=0)
    along = row.op("Cast", row.op("Greater", count, row.constant(0, np.int32)), to=INT)
    size = row.op("Cast", row.op("Shape", inside, start=axis, end=axis + 1), to=FLOAT)
    first = row.op("ArgMax", along, axis=0, keepdims=1, select_last_index=0)
    last = row.op("Add", row.op("ArgMax", along, axis=0, keepdims=1, select_last_index=1), row.ints(1))
    low, high = (row.op("Div", row.op("Cast", value, to=FLOAT), size) for value in (first, last))
    return low, high
