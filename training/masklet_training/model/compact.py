"""The whole compact model. Each method is one graph of the Model Pack contract."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import CompactConfig
from .decoder import MaskDecoder, ObjectPointers
from .detector import ConceptDetector, TextEncoder, pack_trunk
from .encoder import ImageEncoder
from .memory import MemoryEncoder, MemoryReadout, PromptReadout
from .prompts import AT16, PromptEncoder, prompt_maps

SEED_LOGIT = 10.0  # confidence of a given mask
ABSENT_LOGIT = -16.0  # mask logits of an absent object
# Added to the logits wherever a box was given. IoU is highest if pixels are kept from half the expected IoU up (as a
# probability), and outlines from a box are uncertain. Chosen on development sequences and on generated clips.
BOX_CONFIDENCE = 0.75
# Subtracted from the logits of a tracked mask before it is remembered; otherwise doubtful pixels would spread from
# frame to frame. The reported mask is not changed. Chosen on development sequences.
MEMORY_CAUTION = 0.7

Levels = tuple[Tensor, Tensor, Tensor]


class CompactModel(nn.Module):
    """Encoder, detector, memory and mask decoder with shared features."""

    def __init__(self, cfg: CompactConfig | None = None) -> None:
        super().__init__()
        self.cfg = cfg or CompactConfig()
        self.encoder = ImageEncoder(self.cfg)
        self.text_encoder = TextEncoder(self.cfg)
        self.detector = ConceptDetector(self.cfg)
        self.memory_encoder = MemoryEncoder(self.cfg)
        self.memory_readout = MemoryReadout(self.cfg)
        readout = self.cfg.value * MemoryReadout.HEADS
        self.prompt_encoder = PromptEncoder(self.cfg)
        self.prompt_readout = PromptReadout(self.cfg, AT16, readout)
        self.decoder = MaskDecoder(self.cfg, readout)
        self.pointers = ObjectPointers(self.cfg)
        self.no_memory = nn.Parameter(torch.zeros(1, readout, 1, 1))

    def encode(self, image: Tensor) -> Levels:
        """image f32 0..255 [N,3,S,S] → feat, feat_s1, feat_s0."""
        return self.encoder(image)

    def segment(self, levels: Levels, points: Tensor, labels: Tensor, mask_in: Tensor, has_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A prompt without memory → masks [B,4,m,m], iou [B,4], object score [B]."""
        feat = levels[0]
        prompts = self.prompt_encoder(prompt_maps(points, labels, mask_in, has_mask))
        key, query = self.memory_encoder.key(feat), self.memory_readout.query(feat)
        readout = self.no_memory + self.prompt_readout(key, query, feat, prompts[0])
        similarity = torch.zeros_like(readout[:, :1])
        return self.decoder(levels, readout, similarity, prompts)

    def track(
        self,
        levels: Levels,
        memory: Tensor,
        memory_t: Tensor,
        pointers: Tensor,
        pointer_dt: Tensor,
        points: Tensor,
        labels: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One frame from memory, with or without clicks → masks [B,4,m,m], iou [B,4], object score [B]."""
        feat = levels[0]
        b, m = memory.shape[0], feat.shape[-1] * 4
        readout = self.memory_readout(feat, memory, memory_t)
        similarity = self.pointers.similarity(feat, pointers, pointer_dt)
        blank = torch.zeros(b, 1, m, m, dtype=feat.dtype, device=feat.device)
        prompts = self.prompt_encoder(prompt_maps(points, labels, blank, blank[:, 0, 0, 0]))
        return self.decoder(levels, readout, similarity, prompts)

    def remember(self, feat: Tensor, mask: Tensor, score: Tensor, binarize: Tensor) -> Tensor:
        """Memory of an object on a frame → [B,T,Dm]"""
        return self.memory_encoder(feat.expand(mask.shape[0], -1, -1, -1), mask, score, binarize)

    def seed(self, feat: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A given mask, f32 0..1 [B,1,h,w] → pointer [B,D], score [B] (±10), mask logits [B,1,m,m]"""
        side = feat.shape[-1] * 4
        resized = F.interpolate(mask, size=(side, side), mode="bilinear", align_corners=False)
        logits = (resized * 2.0 - 1.0) * SEED_LOGIT
        score = ((resized.flatten(1).amax(1) > 0.5).float() * 2.0 - 1.0) * SEED_LOGIT
        return self.pointers.create(feat, logits, score)[:, 0], score, logits

    def trunk(self, image: Tensor, levels: Levels) -> Tensor:
        """Input of `detect`: the image as for `encode`, and its levels → [N,Ct,g,g]"""
        return pack_trunk(*levels, self.encoder.normalise(image))
