"""The image encoder: residual convolutions at strides 4, 8, 16 with a stride-32 context branch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import CompactConfig
from .layers import ConvNorm, Residual, upsample2

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class ImageEncoder(nn.Module):
    """RGB image → features at strides 16, 8 and 4.

    Plain 3×3 residual blocks instead of depth-wise ones: on CPUs, the target of this pack, they train and run several
    times faster at equal width.
    """

    def __init__(self, cfg: CompactConfig) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) * 255.0)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1) * 255.0)
        self.stem = nn.Sequential(ConvNorm(3, cfg.stem, stride=2), ConvNorm(cfg.stem, cfg.stage4, stride=2))
        self.stage4 = Residual(cfg.stage4)
        self.stage8 = nn.Sequential(ConvNorm(cfg.stage4, cfg.stage8, stride=2), Residual(cfg.stage8), Residual(cfg.stage8))
        self.stage16 = nn.Sequential(
            ConvNorm(cfg.stage8, cfg.stage16, stride=2),
            Residual(cfg.stage16),
            Residual(cfg.stage16),
            Residual(cfg.stage16),
        )
        self.context = nn.Sequential(ConvNorm(cfg.stage16, cfg.stage16, stride=2), Residual(cfg.stage16), Residual(cfg.stage16))
        self.feat = nn.Conv2d(cfg.stage16, cfg.hidden, 1)
        self.merge8 = nn.Conv2d(cfg.stage16, cfg.stage8, 1)
        self.conv_s1 = nn.Conv2d(cfg.stage8, cfg.feat_s1, 3, padding=1)
        self.conv_s0 = nn.Conv2d(cfg.stage4, cfg.feat_s0, 1)

    def normalise(self, image: Tensor) -> Tensor:
        """image float32 0..255 [N,3,S,S] → about −2..2."""
        return (image - self.mean) / self.std

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """image float32 0..255 [N,3,S,S] → feat [N,D,g,g], feat_s1 [N,D/4,2g,2g], feat_s0 [N,D/8,4g,4g]; g = S/16."""
        x4 = self.stage4(self.stem(self.normalise(image)))
        x8 = self.stage8(x4)
        x16 = self.stage16(x8)
        context = F.interpolate(self.context(x16), size=x16.shape[-2:], mode="bilinear", align_corners=False)
        x16 = x16 + context
        s1 = self.conv_s1(F.relu(x8 + upsample2(self.merge8(x16))))
        return self.feat(x16), s1, self.conv_s0(x4)
