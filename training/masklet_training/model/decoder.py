"""The mask decoder shared by `segment` (without memory) and `track` (with memory), and the object pointers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import CompactConfig
from .layers import ConvNorm, Mlp, Residual, masked_mean, upsample2

MASKS = 4  # index 0 is the result for clear prompts, 1..3 are candidates for an ambiguous click


class MaskDecoder(nn.Module):
    """Frame features, memory readout and prompts → four masks with scores"""

    def __init__(self, cfg: CompactConfig, readout: int) -> None:
        super().__init__()
        self.enter = ConvNorm(cfg.hidden + readout + 48 + 1, 96, kernel=1)
        self.at16 = nn.Sequential(Residual(96), Residual(96))
        self.down = nn.Conv2d(96, 64, 1)
        self.skip8 = nn.Conv2d(cfg.feat_s1 + 32, 64, 1)
        self.at8 = Residual(64)
        self.to4 = nn.Conv2d(64, 16, 1)
        self.skip4 = nn.Conv2d(cfg.feat_s0 + 16, 16, 1)
        self.at4 = ConvNorm(16, 16)
        self.masks = nn.Conv2d(16, MASKS, 3, padding=1)
        self.object_score = Mlp(2 * 96, 64, 1)
        self.iou = Mlp(2 * 96, 64, MASKS)

    def forward(
        self,
        feats: tuple[Tensor, Tensor, Tensor],
        readout: Tensor,
        similarity: Tensor,
        prompts: tuple[Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """feats from the encoder (batch 1 or B), readout [B,R,g,g], similarity [B,1,g,g], prompts from PromptEncoder →
        mask logits [B,4,4g,4g], predicted IoU [B,4] in 0..1, object score logit [B]
        """
        b = readout.shape[0]
        feat, s1, s0 = (level.expand(b, -1, -1, -1) for level in feats)
        p16, p8, p4 = prompts
        x16 = self.at16(self.enter(torch.cat([feat, readout, p16, similarity], 1)))
        x8 = self.at8(F.relu(upsample2(self.down(x16)) + self.skip8(torch.cat([s1, p8], 1))))
        x4 = self.at4(F.relu(upsample2(self.to4(x8)) + self.skip4(torch.cat([s0, p4], 1))))
        pooled = torch.cat([x16.mean((2, 3)), x16.amax((2, 3))], 1)
        return self.masks(x4), torch.sigmoid(self.iou(pooled)), self.object_score(pooled)[:, 0]


class ObjectPointers(nn.Module):
    """One vector per object and frame: the object's appearance, pooled under its mask"""

    def __init__(self, cfg: CompactConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.project = Mlp(cfg.hidden, cfg.hidden, cfg.hidden)
        self.absent = nn.Parameter(torch.zeros(cfg.hidden))
        self.fade = nn.Parameter(torch.tensor(0.0))
        self.match = nn.Conv2d(cfg.hidden, cfg.hidden, 1)

    def create(self, feat: Tensor, masks: Tensor, score: Tensor) -> Tensor:
        """feat [B|1,D,g,g], masks logits [B,k,4g,4g], score [B] → pointers [B,k,D]; absent objects share one vector."""
        b, k = masks.shape[:2]
        weight = F.avg_pool2d(torch.sigmoid(masks), 4).reshape(b * k, 1, *feat.shape[-2:])
        wide = feat.expand(b, -1, -1, -1).repeat_interleave(k, 0) if k > 1 else feat.expand(b, -1, -1, -1)
        pointer = self.project(masked_mean(wide, weight)).reshape(b, k, -1)
        seen = (score > 0).float().view(-1, 1, 1)
        return pointer * seen + self.absent * (1.0 - seen)

    def similarity(self, feat: Tensor, pointers: Tensor, pointer_dt: Tensor) -> Tensor:
        """Similarity of each cell to the object: feat [B|1,D,g,g], pointers [B,P,D], pointer_dt [B,P] → [B,1,g,g]. P may
        be 0: the similarity is then 0 everywhere.
        """
        weight = torch.exp(-F.softplus(self.fade) * pointer_dt.abs())  # [B,P]
        mean = (pointers * weight.unsqueeze(-1)).sum(1) / (weight.sum(1, keepdim=True) + 1e-4)  # [B,D]
        cells = self.match(feat).flatten(2)  # [B|1,D,T]
        g = feat.shape[-1]
        dots = (mean.unsqueeze(1) @ cells) / self.cfg.hidden**0.5
        return dots.reshape(-1, 1, g, g)
