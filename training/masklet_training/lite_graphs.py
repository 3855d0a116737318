"""The graphs of a pack that tracks on pretrained features and detects with the compact detector.

The tracker encodes every frame. The detector has its own encoder inside `detect`, which sessions without phrases do not
run. The two share only the image: `trunk` is the image, rearranged to the contract's shape.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .graphs import SPECS, example_inputs, stability
from .model.compact import CompactModel
from .model.lite_tracker import ABSENT_LOGIT, LiteTracker

PACKED = 16  # pixels of a side of a trunk cell
# Added to the logits wherever a box was given, and subtracted from a tracked mask before it is remembered; see
# `model/compact.py`. Negative: without it, the masks of objects that come nearer shrink from frame to frame. Both were chosen
# on development sequences, see NOTES.md.
BOX_CONFIDENCE = 0.0
MEMORY_CAUTION = -0.5


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
        masks, iou, score, best = self.tracker.prompt((feat, feat_s1, feat_s0), points, labels, mask_in, has_mask)
        boxed = (labels == 2).any(1)
        masks = masks + BOX_CONFIDENCE * boxed.float().view(-1, 1, 1, 1)
        pointer = self.tracker.pointer(feat, masks, score)
        return masks, iou, stability(masks[:, 0]), score, pointer, best.int()


class Seed(LiteGraph):
    def forward(self, feat: Tensor, feat_s1: Tensor, feat_s0: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        return self.tracker.seed(feat, mask)


class Track(LiteGraph):
    """Ignores clicks. For a click on a tracked frame, the server runs this graph first. If the mask contradicts the
    click, the server refines it with `segment`.
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
BYTE_KERNELS = ("detect",)  # contains a second encoder, and is by far the largest graph
LITE_SPECS = tuple(
    replace(
        spec,
        module=MODULES[spec.role],
        unused=(*spec.unused, *UNUSED.get(spec.role, ())),
        byte_kernels=spec.role in BYTE_KERNELS,
    )
    for spec in SPECS
)


def lite_inputs(pack: LitePack, *, b: int = 2, m: int = 2, p: int = 3, n: int = 2, c: int = 2, e: int = 2) -> dict[str, dict[str, Tensor]]:
    """Random inputs for every role, for tracing and for the parity test. Keys are unit vectors, as at run time."""
    side = pack.tracker.side
    inputs = example_inputs(pack.detector, side, b=b, m=m, p=p, n=n, c=c, e=e)
    logits = inputs["segment"]["mask_in"]
    with torch.no_grad():
        frames = torch.cat([inputs["encode"]["image"], torch.randint(0, 256, (m - 1, side, side, 3), dtype=torch.uint8)])
        shown = [Encode(pack)(frame[None]) for frame in frames]
        feat, feat_s1, feat_s0, trunk = shown[0]
        memory = torch.stack([pack.tracker.remember(levels[0], logits, torch.ones(b), torch.zeros(b)) for levels in shown], 1)
        pointers = pack.tracker.pointer(feat, torch.randn(b, max(p, 1), side // 4, side // 4) * 4, torch.ones(b))[:, :p]
    feats = {"feat": feat, "feat_s1": feat_s1, "feat_s0": feat_s0}
    text = F.pad(inputs["detect"]["text"], (0, pack.tracker.cfg.hidden - pack.detector.cfg.hidden))
    # What has another width than in the compact model, and what the tracker computes.
    own = {
        "detect": {"trunk": trunk, "text": text},
        "segment": feats,
        "seed": feats,
        "track": feats | {"memory": memory, "pointers": pointers},
        "remember": {"feat": feat},
    }
    return {role: values | own.get(role, {}) for role, values in inputs.items()}
