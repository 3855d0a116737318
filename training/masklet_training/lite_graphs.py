"""The graphs of a pack that tracks on pretrained features, and detects with the compact detector and with pretrained networks.

The tracker encodes every frame. The compact detector and the box detector have encoders of their own inside `detect`, which
sessions without phrases do not run. `trunk` contains what `detect` needs of a frame: the image, the tracker's features, and
the features of the classifier.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .graphs import SPECS, example_inputs, stability
from .model.compact import CompactModel
from .model.drawn_frames import is_photograph
from .model.lite import EfficientNetLite
from .model.lite_tracker import ABSENT_LOGIT, Levels, LiteTracker
from .model.needed import Needed
from .model.phrase_code import BOXED, CHANNELS, NounReader, pack_code, unpack_code
from .model.phrase_detector import PhraseDetector
from .noun_table import UNKNOWN

PACKED = 16  # pixels of a side of a cell
# Added to the logits wherever a box was given, and subtracted from a tracked mask before it is remembered; see
# `model/compact.py`. Negative: without it, the masks of objects that come nearer shrink from frame to frame. Both were chosen
# on development sequences, see NOTES.md.
BOX_CONFIDENCE = 0.0
MEMORY_CAUTION = -0.4
PLAIN_CLASSES = (33,)  # classes for which the box detector takes drawn shapes: kite, on 43 of 48 drawn frames


class LitePack(nn.Module):
    """A tracker and two detectors: one of drawn shapes and pictures, and one of what photographs show"""

    def __init__(
        self, tracker: LiteTracker, detector: CompactModel, reader: NounReader, phrases: PhraseDetector, detector_side: int = 256
    ) -> None:
        """:param detector_side: side of the images that the compact detector was trained for"""
        super().__init__()
        if detector.cfg.hidden + CHANNELS + 1 > tracker.cfg.hidden:
            raise ValueError(f"text tokens of width {detector.cfg.hidden + CHANNELS + 1} do not fit into {tracker.cfg.hidden}")
        self.tracker, self.detector = tracker, detector
        self.reader, self.phrases = reader, phrases
        self.detector_side = detector_side
        self.register_buffer("shrink", area_weights(tracker.side, detector_side))

    @property
    def parts(self) -> tuple[int, ...]:
        """Channels of the image, of the classifier's features, and of the tracker's three levels in `trunk`"""
        cfg = self.tracker.cfg
        deep = EfficientNetLite.widths(cfg.size)[32] // 4
        return 3 * PACKED**2, deep, cfg.hidden, 4 * cfg.feat_s1, 16 * cfg.feat_s0

    @property
    def trunk(self) -> int:
        """Ct"""
        return sum(self.parts)

    def join(self, pixels: Tensor, deep: Tensor, levels: Levels) -> Tensor:
        """An image [1,3,S,S], features of stride 32 and the tracker's levels → [1,Ct,g,g]. The numbers of a map stay in their
        order, which needs no transposition: the cells of `trunk` do not correspond to places of the image.
        """
        g = self.tracker.side // 16
        return torch.cat([part.reshape(1, -1, g, g) for part in (pixels, deep, *levels)], 1)

    def divide(self, trunk: Tensor) -> tuple[Tensor, Tensor, Levels]:
        """The opposite of `join`"""
        g = self.tracker.side // 16
        pixels, deep, feat, s1, s0 = trunk.split(self.parts, 1)
        levels = (feat, s1.reshape(1, -1, 2 * g, 2 * g), s0.reshape(1, -1, 4 * g, 4 * g))
        return pixels.reshape(1, 3, PACKED * g, PACKED * g), deep.reshape(1, -1, g // 2, g // 2), levels

    def shrunk(self, pixels: Tensor) -> Tensor:
        """An image at the compact detector's size"""
        return (self.shrink @ (self.shrink @ pixels).transpose(2, 3)).transpose(2, 3)


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
        features = self.tracker.backbone(pixels)
        levels = self.tracker.head(features)
        return *levels, self.pack.join(pixels, features[32], levels)


class Text(LiteGraph):
    """Per word: the compact detector's vector, a part of the phrase's meaning, and whether the compact detector reads it"""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        code, read = self.pack.reader(input_ids, attention_mask)
        known = torch.where((read > 0.5) & (input_ids < self.pack.reader.trained), input_ids, input_ids.new_tensor(UNKNOWN))
        drawn = self.pack.detector.text_encoder(known, read)
        text = torch.cat([drawn, pack_code(code), read.unsqueeze(2)], 2)
        return F.pad(text, (0, self.tracker.cfg.hidden - text.shape[2]))


class DrawnDetector(nn.Module):
    """The compact detector, which answers phrases that it was trained with, and exemplars"""

    def __init__(self, pack: LitePack) -> None:
        super().__init__()
        self.pack = pack

    def forward(self, pixels: Tensor, words: Tensor, mask: Tensor, boxes: Tensor, box_labels: Tensor) -> tuple[Tensor, ...]:
        detector = self.pack.detector
        p8, p4 = detector.detector.refine(*detector.encode(self.pack.shrunk(pixels)))
        picture = detector.encoder.normalise(pixels)
        return detector.detector.detect(p8, p4, picture, words, mask, boxes, box_labels)


class Detect(LiteGraph):
    """Both detectors; each runs only if a concept needs it (`BRANCHES`)"""

    def __init__(self, pack: LitePack) -> None:
        super().__init__(pack)
        self.drawn = DrawnDetector(pack)
        self.phrases = pack.phrases
        self.drawn_needed, self.phrases_needed = Needed(), Needed()
        self.register_buffer("drawable", torch.ones(1, BOXED))
        self.drawable[:, PLAIN_CLASSES] = 0.0

    def forward(
        self, trunk: Tensor, text: Tensor, text_mask: Tensor, boxes: Tensor, box_labels: Tensor, aspect: Tensor
    ) -> tuple[Tensor, ...]:
        width = self.pack.detector.cfg.hidden
        pixels, deep, levels = self.pack.divide(trunk)
        words, packed, read = text[..., : width + CHANNELS + 1].split([width, CHANNELS, 1], 2)
        code = unpack_code(packed)
        shown = (box_labels >= 0).float().amax(1, keepdim=True)
        named = self.phrases_needed(torch.maximum(code.seen.amax(1, keepdim=True), code.boxed.amax(1, keepdim=True)))
        photograph = is_photograph(pixels)
        # Of what both know, the compact detector finds drawings only.
        drawn = code.drawn * (1.0 - named * photograph)
        code = code._replace(boxed=code.boxed * torch.maximum(photograph, self.drawable))
        asked = self.drawn_needed(torch.maximum(drawn, shown))
        scores, found, masks, presence = self.drawn(pixels, words, text_mask * read[..., 0], boxes, box_labels)
        scale = self.tracker.backbone.scales["32"]
        more, places, planes = self.phrases(self.tracker, levels, pixels, aspect, deep / scale.scale + scale.mean, code)
        count = scores.shape[1]
        scores, order = torch.cat([scores * asked, more], 1).topk(count, 1)
        found = torch.cat([found, places], 1).gather(1, order.unsqueeze(2).expand(-1, -1, 4))
        side = masks.shape[-1]
        masks = torch.cat([masks, planes], 1).gather(1, order.view(-1, count, 1, 1).expand(-1, -1, side, side))
        return scores, found, masks, torch.maximum(presence * asked[:, 0], (more * named).amax(1))


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
    """Ignores clicks. For a click on a frame on which the object has no mask, the server runs this graph first. If the mask
    contradicts the click, the server refines it with `segment`.
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
        mask, iou, score, _ = self.tracker.track((feat, feat_s1, feat_s0), memory, memory_t, pointers, pointer_dt)
        pointer = self.tracker.pointer(feat, mask - MEMORY_CAUTION, score)[:, 0]
        seen = (score > 0).view(-1, 1, 1, 1)
        return torch.where(seen, mask, mask.new_tensor(ABSENT_LOGIT)), score, iou, pointer


class Remember(LiteGraph):
    def forward(self, feat: Tensor, mask: Tensor, score: Tensor, binarize: Tensor) -> Tensor:
        tracked = (1.0 - binarize).view(-1, 1, 1, 1)
        return self.tracker.remember(feat, mask - MEMORY_CAUTION * tracked, score, binarize)


MODULES = {"encode": Encode, "text": Text, "detect": Detect, "segment": Segment, "seed": Seed, "track": Track, "remember": Remember}
OWN_INPUTS = {"detect": ("aspect",)}  # optional ones of the contract
UNUSED = {"track": ("points", "labels")}
# Parts of `detect`, the modules that decide whether they run, and the input with one row per concept, as have the outputs of most
# parts. Inner parts come first. See `branches.py`.
BRANCHES = (
    ("/phrases/masks/", "/phrases/masks_needed/", "text"),
    ("/phrases/", "/phrases_needed/", "text"),
    ("/drawn/namer/", "/drawn_needed/", None),
    ("/drawn/refiner/", "/drawn_needed/", None),
    ("/drawn/", "/drawn_needed/", "text"),
)
BYTE_KERNELS = ("encode", "text", "detect", "segment")  # the largest graphs
LITE_SPECS = tuple(
    replace(
        spec,
        module=MODULES[spec.role],
        inputs=(*spec.inputs, *OWN_INPUTS.get(spec.role, ())),
        unused=(*spec.unused, *UNUSED.get(spec.role, ())),
        byte_kernels=spec.role in BYTE_KERNELS,
        branches=BRANCHES if spec.role == "detect" else (),
    )
    for spec in SPECS
)


def lite_inputs(
    pack: LitePack, *, b: int = 2, m: int = 2, p: int = 3, n: int = 2, c: int = 2, e: int = 2, aspect: float = 1.5
) -> dict[str, dict[str, Tensor]]:
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
    # Nouns of the table and words of the compact detector in turn, so that every part of `detect` runs.
    ids = torch.zeros_like(inputs["text"]["input_ids"])
    table = pack.reader.phrases
    for row in range(c):
        ids[row, : table.shape[1]] = table[row % len(table)].clamp(min=0)
        ids[row, table.shape[1]] = row % 2 * (UNKNOWN + 1)
    with torch.no_grad():
        text = Text(pack)(ids, (ids > 0).int())
    # What has another width than in the compact model, and what the tracker computes.
    own = {
        "text": {"input_ids": ids, "attention_mask": (ids > 0).int()},
        "detect": {"trunk": trunk, "text": text, "text_mask": (ids > 0).int(), "aspect": torch.tensor([aspect])},
        "segment": feats,
        "seed": feats,
        "track": feats | {"memory": memory, "pointers": pointers},
        "remember": {"feat": feat},
    }
    return {role: values | own.get(role, {}) for role, values in inputs.items()}
