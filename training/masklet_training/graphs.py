"""One module to trace per graph of the Model Pack contract, with the contract's tensor names and types."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .model.compact import ABSENT_LOGIT, BOX_CONFIDENCE, MEMORY_CAUTION, CompactModel
from .model.prompts import selected_mask


class Graph(nn.Module):
    """A role of the contract on the shared model"""

    def __init__(self, model: CompactModel) -> None:
        super().__init__()
        self.model = model


class Encode(Graph):
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        pixels = image.permute(0, 3, 1, 2).float()
        levels = self.model.encode(pixels)
        return *levels, self.model.trunk(pixels, levels)


class Text(Graph):
    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model.text_encoder(input_ids, attention_mask)


class Detect(Graph):
    def forward(self, trunk: Tensor, text: Tensor, text_mask: Tensor, boxes: Tensor, box_labels: Tensor) -> tuple[Tensor, ...]:
        return self.model.detector(trunk, text, text_mask, boxes, box_labels)


def stability(mask: Tensor, delta: float = 1.0) -> Tensor:
    """SAM's stability score of one mask per object: area above +delta over area above −delta. [B,m,m] → [B]."""
    return (mask > delta).float().sum((1, 2)) / (mask > -delta).float().sum((1, 2)).clamp(min=1.0)


class Segment(Graph):
    def forward(
        self, feat: Tensor, feat_s1: Tensor, feat_s0: Tensor, points: Tensor, labels: Tensor, mask_in: Tensor, has_mask: Tensor
    ) -> tuple[Tensor, ...]:
        masks, iou, score = self.model.segment((feat, feat_s1, feat_s0), points, labels, mask_in, has_mask)
        boxed = (labels == 2).any(1)
        masks = masks + BOX_CONFIDENCE * boxed.float().view(-1, 1, 1, 1)
        pointer = self.model.pointers.create(feat, masks, score)
        best = selected_mask(labels, has_mask, iou).int()
        return masks, iou, stability(masks[:, 0]), score, pointer, best


class Seed(Graph):
    def forward(self, feat: Tensor, feat_s1: Tensor, feat_s0: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        return self.model.seed(feat, mask)


class Track(Graph):
    def forward(
        self,
        feat: Tensor,
        feat_s1: Tensor,
        feat_s0: Tensor,
        memory: Tensor,
        memory_t: Tensor,
        pointers: Tensor,
        pointer_dt: Tensor,
        points: Tensor,
        labels: Tensor,
    ) -> tuple[Tensor, ...]:
        masks, iou, score = self.model.track((feat, feat_s1, feat_s0), memory, memory_t, pointers, pointer_dt, points, labels)
        mask = masks[:, 0:1]
        pointer = self.model.pointers.create(feat, mask - MEMORY_CAUTION, score)[:, 0]
        seen = (score > 0).view(-1, 1, 1, 1)
        return torch.where(seen, mask, torch.full_like(mask, ABSENT_LOGIT)), score, iou[:, 0], pointer


class Remember(Graph):
    def forward(self, feat: Tensor, mask: Tensor, score: Tensor, binarize: Tensor) -> Tensor:
        tracked = (1.0 - binarize).view(-1, 1, 1, 1)
        return self.model.remember(feat, mask - MEMORY_CAUTION * tracked, score, binarize)


@dataclass(frozen=True)
class GraphSpec:
    """How one role is traced: example inputs, names, and symbolic axes"""

    role: str
    module: type[Graph]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    axes: dict[str, dict[int, str]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()  # contract inputs that this model does not need
    byte_kernels: bool = False  # whether its large kernels are stored as int8
    branches: tuple[tuple[str, str, str | None], ...] = ()  # arguments of `add_branch`: part, condition and rows


BATCH = {0: "B"}
SPECS: tuple[GraphSpec, ...] = (
    GraphSpec("encode", Encode, ("image",), ("feat", "feat_s1", "feat_s0", "trunk")),
    GraphSpec(
        "text",
        Text,
        ("input_ids", "attention_mask"),
        ("text",),
        {name: {0: "C"} for name in ("input_ids", "attention_mask", "text")},
    ),
    GraphSpec(
        "detect",
        Detect,
        ("trunk", "text", "text_mask", "boxes", "box_labels"),
        ("scores", "boxes_out", "masks", "presence"),
        {
            "text": {0: "C"},
            "text_mask": {0: "C"},
            "boxes": {0: "C", 1: "E"},
            "box_labels": {0: "C", 1: "E"},
            "scores": {0: "C"},
            "boxes_out": {0: "C"},
            "masks": {0: "C"},
            "presence": {0: "C"},
        },
    ),
    GraphSpec(
        "segment",
        Segment,
        ("feat", "feat_s1", "feat_s0", "points", "labels", "mask_in", "has_mask"),
        ("masks", "iou", "stability", "score", "pointer", "best"),
        {
            "points": {0: "B", 1: "N"},
            "labels": {0: "B", 1: "N"},
            "mask_in": BATCH,
            "has_mask": BATCH,
            "masks": BATCH,
            "iou": BATCH,
            "stability": BATCH,
            "score": BATCH,
            "pointer": BATCH,
            "best": BATCH,
        },
    ),
    GraphSpec(
        "seed",
        Seed,
        ("feat", "feat_s1", "feat_s0", "mask"),
        ("pointer", "score", "mask_logits"),
        {"mask": {0: "B", 2: "h", 3: "w"}, "pointer": BATCH, "score": BATCH, "mask_logits": BATCH},
        unused=("feat_s1", "feat_s0"),
    ),
    GraphSpec(
        "track",
        Track,
        ("feat", "feat_s1", "feat_s0", "memory", "memory_t", "pointers", "pointer_dt", "points", "labels"),
        ("mask", "score", "iou", "pointer"),
        {
            "memory": {0: "B", 1: "M"},
            "memory_t": {0: "B", 1: "M"},
            "pointers": {0: "B", 1: "P"},
            "pointer_dt": {0: "B", 1: "P"},
            "points": {0: "B", 1: "N"},
            "labels": {0: "B", 1: "N"},
            "mask": BATCH,
            "score": BATCH,
            "iou": BATCH,
            "pointer": BATCH,
        },
    ),
    GraphSpec(
        "remember",
        Remember,
        ("feat", "mask", "score", "binarize"),
        ("memory",),
        {"mask": {0: "B", 2: "h", 3: "w"}, "score": BATCH, "binarize": BATCH, "memory": BATCH},
    ),
)


def example_inputs(
    model: CompactModel, side: int, *, b: int = 2, m: int = 2, p: int = 3, n: int = 2, c: int = 2, e: int = 2
) -> dict[str, dict[str, Tensor]]:
    """Random inputs for every role at image side `side`, for tracing and for the parity test."""
    cfg, g = model.cfg, side // 16
    feats = {
        "feat": torch.randn(1, cfg.hidden, g, g),
        "feat_s1": torch.randn(1, cfg.feat_s1, 2 * g, 2 * g),
        "feat_s0": torch.randn(1, cfg.feat_s0, 4 * g, 4 * g),
    }
    points = torch.rand(b, n, 2)
    labels = torch.tensor([[2, 3, 1, 0, 1][i % 5] for i in range(n)], dtype=torch.int32).repeat(b, 1)
    logits = torch.randn(b, 1, 4 * g, 4 * g) * 4
    mask = torch.ones(c, cfg.text_length, dtype=torch.int32)
    mask[:, 3:] = 0
    return {
        "encode": {"image": torch.randint(0, 256, (1, side, side, 3), dtype=torch.uint8)},
        "text": {
            "input_ids": torch.randint(0, cfg.vocabulary, (c, cfg.text_length), dtype=torch.int32),
            "attention_mask": mask,
        },
        "detect": {
            "trunk": torch.randn(1, cfg.trunk, g, g),
            "text": torch.randn(c, cfg.text_length, cfg.hidden),
            "text_mask": mask,
            "boxes": torch.rand(c, e, 4),
            "box_labels": torch.tensor([[1, -10, 0][i % 3] for i in range(e)], dtype=torch.int32).repeat(c, 1),
        },
        "segment": feats | {"points": points, "labels": labels, "mask_in": logits, "has_mask": torch.ones(b)},
        "seed": feats | {"mask": (torch.rand(b, 1, 3 * g, 5 * g) > 0.5).float()},
        "track": feats
        | {
            "memory": torch.randn(b, m, g * g, cfg.memory),
            "memory_t": torch.tensor([[6, 0, 1, 2, 3, 4, 5][i % 7] for i in range(m)], dtype=torch.int32).repeat(b, 1),
            "pointers": torch.randn(b, p, cfg.hidden),
            "pointer_dt": torch.rand(b, p),
            "points": points,
            "labels": labels,
        },
        "remember": {
            "feat": feats["feat"],
            "mask": logits,
            "score": torch.linspace(-1, 1, b),
            "binarize": torch.linspace(0, 1, b).round(),
        },
    }
