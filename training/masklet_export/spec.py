"""Names, axes and example inputs of the graphs: the Model Pack contract for the exporter."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Geometry:
    """Sizes of a pack, named as in its manifest"""

    S: int  # side of the square input image, pixels
    g: int  # side of the feature map
    D: int  # hidden width
    Dm: int  # memory width
    T: int  # tokens per memory
    m: int  # side of the mask logits
    Ct: int | None = None  # trunk channels
    L: int | None = None  # tokens per phrase
    K: int | None = None  # detections kept per concept


@dataclass(frozen=True)
class GraphSpec:
    """How one role is traced: tensor names and symbolic axes"""

    role: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    axes: dict[str, dict[int, str]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()  # contract inputs that this model does not need


LEVELS = ("feat", "feat_s1", "feat_s0")
OBJECTS = {0: "B"}
POINTS = {"points": {0: "B", 1: "N"}, "labels": {0: "B", 1: "N"}}


def _batched(*names: str, axis: str = "B") -> dict[str, dict[int, str]]:
    return {name: {0: axis} for name in names}


def graph_specs(*, detects: bool, pointer_time: bool) -> dict[str, GraphSpec]:
    """The graphs of a pack by role, without `render`, which is not traced"""
    pointer_dt = ("pointer_dt",) if pointer_time else ()
    specs = [
        GraphSpec("encode", ("image",), (*LEVELS, *(("trunk",) if detects else ()))),
        GraphSpec(
            "segment", (*LEVELS, "points", "labels", "mask_in", "has_mask"),
            ("masks", "iou", "stability", "score", "pointer", "best"),
            POINTS | _batched("mask_in", "has_mask", "masks", "iou", "stability", "score", "pointer", "best"),
        ),
        GraphSpec(
            "seed", (*LEVELS, "mask"), ("pointer", "score", "mask_logits"),
            {"mask": {0: "B", 2: "h", 3: "w"}} | _batched("pointer", "score", "mask_logits"),
            # A pointer is computed from a token. The finer features serve only the masks, which are not used.
            unused=("feat_s1", "feat_s0"),
        ),
        GraphSpec(
            "track", (*LEVELS, "memory", "memory_t", "pointers", *pointer_dt, "points", "labels"),
            ("mask", "score", "iou", "pointer"),
            {name: {0: "B", 1: "M"} for name in ("memory", "memory_t")}
            | {name: {0: "B", 1: "P"} for name in ("pointers", *pointer_dt)}
            | POINTS | _batched("mask", "score", "iou", "pointer"),
        ),
        GraphSpec(
            "remember", ("feat", "mask", "score", "binarize"), ("memory",),
            {"mask": {0: "B", 2: "h", 3: "w"}} | _batched("score", "binarize", "memory"),
        ),
    ]  # fmt: skip
    if detects:
        boxes = {name: {0: "C", 1: "E"} for name in ("boxes", "box_labels")}
        specs += [
            GraphSpec(
                "text", ("input_ids", "attention_mask"), ("text",),
                _batched("input_ids", "attention_mask", "text", axis="C"),
            ),
            GraphSpec(
                "detect", ("trunk", "text", "text_mask", "boxes", "box_labels"),
                ("scores", "boxes_out", "masks", "presence", "query"),
                boxes | _batched("text", "text_mask", "scores", "boxes_out", "masks", "presence", "query", axis="C"),
            ),
        ]  # fmt: skip
    return {spec.role: spec for spec in specs}


def example_inputs(
    geometry: Geometry, *, vocabulary: int = 8, temporal_rows: int = 7,
    b: int = 2, m: int = 2, p: int = 3, n: int = 2, c: int = 2, e: int = 2,
) -> dict[str, dict[str, Tensor]]:  # fmt: skip
    """Random inputs for every role, for tracing and comparison. Letters as in the contract."""
    z = geometry
    levels = {
        "feat": torch.randn(1, z.D, z.g, z.g),
        "feat_s1": torch.randn(1, z.D // 4, 2 * z.g, 2 * z.g),
        "feat_s0": torch.randn(1, z.D // 8, 4 * z.g, 4 * z.g),
    }
    # With three points or more, a box and clicks; below that, a click.
    kinds = [2, 3, 1, 0, 1] if n > 2 else [1, 0]
    points = {"points": torch.rand(b, n, 2), "labels": _rows([kinds[i % len(kinds)] for i in range(n)], b)}
    logits = torch.randn(b, 1, z.m, z.m) * 4
    rows = [temporal_rows - 1, *range(temporal_rows - 1)]
    inputs = {
        "encode": {"image": torch.randint(0, 256, (1, z.S, z.S, 3), dtype=torch.uint8)},
        "segment": levels | points | {"mask_in": logits, "has_mask": (torch.arange(b) % 2).float()},
        "seed": levels | {"mask": _masks(b, z.m, z.m)},
        "track": levels | points
        | {
            "memory": torch.randn(b, m, z.T, z.Dm),
            "memory_t": _rows([rows[i % len(rows)] for i in range(m)], b),
            "pointers": torch.randn(b, p, z.D),
            "pointer_dt": torch.rand(b, p),
        },
        "remember": {
            "feat": levels["feat"], "mask": logits,
            "score": torch.linspace(-1, 1, b), "binarize": (torch.arange(b) % 2).float(),
        },
    }  # fmt: skip
    if z.Ct is not None and z.L is not None:
        mask = torch.ones(c, z.L, dtype=torch.int32)
        for row in range(c):
            mask[row, 3 + row % (z.L - 3) :] = 0
        inputs |= {
            "text": {"input_ids": torch.randint(0, vocabulary, (c, z.L), dtype=torch.int32), "attention_mask": mask},
            "detect": {
                "trunk": torch.randn(1, z.Ct, z.g, z.g),
                "text": torch.randn(c, z.L, z.D),
                "text_mask": mask,
                "boxes": 0.2 + 0.5 * torch.rand(c, e, 4),
                # One row has positive and negative exemplars, the next none.
                "box_labels": torch.stack([_rows([1, 0, -10], 1)[0][torch.arange(e) % 3] if i % 2 == 0
                                           else torch.full((e,), -10, dtype=torch.int32) for i in range(c)]),
            },
        }  # fmt: skip
    return inputs


def _rows(values: list[int], count: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int32).repeat(count, 1)


def _masks(b: int, h: int, w: int) -> Tensor:
    """Binary masks, all different; with several, the last one is empty."""
    y, x = torch.meshgrid(torch.linspace(0, 1, h), torch.linspace(0, 1, w), indexing="ij")
    masks = [((x - 0.3 - 0.1 * i) ** 2 + (y - 0.6) ** 2 < 0.05).float() for i in range(b)]
    if b > 1:
        masks[-1] = torch.zeros(h, w)
    return torch.stack(masks)[:, None]
