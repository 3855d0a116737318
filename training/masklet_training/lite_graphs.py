"""The graphs of a pack that tracks on pretrained features and detects with the compact detector.

The tracker encodes every frame. The detector has an encoder of its own inside `detect`, so sessions without phrases do
not pay for it. What both share is the image: `trunk` is the image itself, rearranged to the contract's shape.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .graphs import SPECS, GraphSpec, stability
from .model.compact import CompactModel
from .model.lite_tracker import ABSENT_LOGIT, LiteTracker

PACKED = 16  # pixels of a side of a trunk cell
# Added to the logits wherever a box was given, and subtracted from a tracked mask before it is remembered; see
# `model/compact.py`. Chosen on development sequences.
BOX_CONFIDENCE = 0.0
MEMORY_CAUTION = 0.0


class LitePack(nn.Module):
    """A tracker and a detector that share images"""

    def __init__(self, tracker: LiteTracker, detector: CompactModel, detector_side: int = 256) -> None:
        """:param detector_side: side of the images that the detector was trained for"""
        super().__init__()
        if detector.cfg.hidden > tracker.cfg.hidden:
            raise ValueError(f"text tokens of width {detector.cfg.hidden} do not fit into {tracker.cfg.hidden}")
        self.tracker, self.detector = tracker, detector
        self.detector_side = detector_side
        self.register_buffer("shrink", area_weights(tracker.side, detector_side), persistent=False)

    @property
    def trunk(self) -> int:
        """Ct: the pixels of a cell"""
        return 3 * PACKED**2


def area_weights(source: int, target: int) -> Tensor:
    """Weights of an area resize of one axis [target,source]: each target pixel is the mean of what it covers."""
    edges = torch.arange(target + 1, dtype=torch.float64) * source / target
    pixels = torch.arange(source, dtype=torch.float64)
    low = torch.maximum(edges[:-1, None], pixels)
    high = torch.minimum(edges[1:, None], pixels + 1)
    return ((high - low).clamp(min=0.0) * target / source).float()


class LiteGraph(nn.Module):
    """A role of the contract"""

    def __init__(self, pack: LitePack) -> None:
        super().__init__()
        self.pack = pack
        self.tracker = pack.tracker


class Encode(LiteGraph):
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        pixels = image.permute(0, 3, 1, 2).float()
        return *self.tracker.encode(pixels), F.pixel_unshuffle(pixels, PACKED)


class Text(LiteGraph):
    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        text = self.pack.detector.text_encoder(input_ids, attention_mask)
        return F.pad(text, (0, self.tracker.cfg.hidden - self.pack.detector.cfg.hidden))


class Detect(LiteGraph):
    def forward(self, trunk: Tensor, text: Tensor, text_mask: Tensor, boxes: Tensor, box_labels: Tensor) -> tuple[Tensor, ...]:
        detector, shrink = self.pack.detector, self.pack.shrink
        pixels = shrink @ F.pixel_shuffle(trunk, PACKED) @ shrink.T
        small = detector.trunk(pixels, detector.encode(pixels))
        scores, found, masks, presence = detector.detector(small, text[..., : detector.cfg.hidden], text_mask, boxes, box_labels)
        side = self.tracker.side // 4
        return scores, found, F.interpolate(masks, size=(side, side), mode="bilinear", align_corners=False), presence


class Segment(LiteGraph):
    def forward(
        self, feat: Tensor, feat_s1: Tensor, feat_s0: Tensor, points: Tensor, labels: Tensor, mask_in: Tensor, has_mask: Tensor
    ) -> tuple[Tensor, ...]:
        masks, iou, score = self.tracker.segment((feat, feat_s1, feat_s0), points, labels, mask_in, has_mask)
        boxed = (labels == 2).any(1)
        masks = masks + BOX_CONFIDENCE * boxed.float().view(-1, 1, 1, 1)
        pointer = self.tracker.pointer(feat, masks, score)
        # A single click is ambiguous, so the best of the candidates is selected. Other prompts select the first mask.
        clicks = ((labels == 0) | (labels == 1)).int().sum(1)
        clear = (clicks > 1) | boxed | (has_mask > 0)
        best = torch.where(clear, torch.zeros_like(clicks), iou.argmax(1).int()).int()
        return masks, iou, stability(masks[:, 0]), score, pointer, best


class Seed(LiteGraph):
    def forward(self, feat: Tensor, feat_s1: Tensor, feat_s0: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        return self.tracker.seed(feat, mask)


class Track(LiteGraph):
    """Without clicks. For a click on a tracked frame, the server first asks this graph; a mask that contradicts the click
    is then refined by `segment`.
    """

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
        mask, iou, score = self.tracker.track((feat, feat_s1, feat_s0), memory, memory_t, pointers, pointer_dt)
        pointer = self.tracker.pointer(feat, mask - MEMORY_CAUTION, score)[:, 0]
        seen = (score > 0).view(-1, 1, 1, 1)
        return torch.where(seen, mask, mask.new_tensor(ABSENT_LOGIT)), score, iou, pointer


class Remember(LiteGraph):
    def forward(self, feat: Tensor, mask: Tensor, score: Tensor, binarize: Tensor) -> Tensor:
        tracked = (1.0 - binarize).view(-1, 1, 1, 1)
        return self.tracker.remember(feat, mask - MEMORY_CAUTION * tracked, score, binarize)


MODULES = {"encode": Encode, "text": Text, "detect": Detect, "segment": Segment, "seed": Seed, "track": Track, "remember": Remember}
UNUSED = {"track": ("points", "labels")}
LITE_SPECS = tuple(
    GraphSpec(spec.role, MODULES[spec.role], spec.inputs, spec.outputs, spec.axes, (*spec.unused, *UNUSED.get(spec.role, ())))
    for spec in SPECS
)


def lite_inputs(pack: LitePack, *, b: int = 2, m: int = 2, p: int = 3, n: int = 2, c: int = 2, e: int = 2) -> dict[str, dict[str, Tensor]]:
    """Random inputs for every role, for tracing and for the parity test. Keys are unit vectors, as at run time."""
    cfg, side = pack.tracker.cfg, pack.tracker.side
    g = side // 16
    with torch.no_grad():
        frames = torch.randint(0, 256, (m, side, side, 3), dtype=torch.uint8)
        levels = Encode(pack)(frames[:1])
        feat, feat_s1, feat_s0, trunk = levels
        shown = [Encode(pack)(frame[None])[0] for frame in frames]
        logits = torch.randn(b, 1, 4 * g, 4 * g) * 4
        memory = torch.stack([pack.tracker.remember(each, logits, torch.ones(b), torch.zeros(b)) for each in shown], 1)
        pointers = pack.tracker.pointer(feat, torch.randn(b, max(p, 1), 4 * g, 4 * g) * 4, torch.ones(b))[:, :p]
    feats = {"feat": feat, "feat_s1": feat_s1, "feat_s0": feat_s0}
    points = torch.rand(b, n, 2)
    labels = torch.tensor([[2, 3, 1, 0, 1][i % 5] for i in range(n)], dtype=torch.int32).repeat(b, 1)
    detector = pack.detector.cfg
    mask = torch.ones(c, detector.text_length, dtype=torch.int32)
    mask[:, 3:] = 0
    text = F.pad(torch.randn(c, detector.text_length, detector.hidden), (0, cfg.hidden - detector.hidden))
    return {
        "encode": {"image": frames[:1]},
        "text": {"input_ids": torch.randint(0, detector.vocabulary, (c, detector.text_length), dtype=torch.int32), "attention_mask": mask},
        "detect": {
            "trunk": trunk,
            "text": text,
            "text_mask": mask,
            "boxes": torch.rand(c, e, 4),
            "box_labels": torch.tensor([[1, -10, 0][i % 3] for i in range(e)], dtype=torch.int32).repeat(c, 1),
        },
        "segment": feats | {"points": points, "labels": labels, "mask_in": logits, "has_mask": torch.ones(b)},
        "seed": feats | {"mask": (torch.rand(b, 1, 3 * g, 5 * g) > 0.5).float()},
        "track": feats
        | {
            "memory": memory,
            "memory_t": torch.tensor([[6, 0, 1, 2, 3, 4, 5][i % 7] for i in range(m)], dtype=torch.int32).repeat(b, 1),
            "pointers": pointers,
            "pointer_dt": torch.rand(b, p),
            "points": points,
            "labels": labels,
        },
        "remember": {"feat": feat, "mask": logits, "score": torch.linspace(-1, 1, b), "binarize": torch.linspace(0, 1, b).round()},
    }
