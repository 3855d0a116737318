"""Memory of an object on a frame (`remember`), and its readout on a later frame (`MemoryReadout`).

As in SAM 2, a memory is one token per stride-16 cell, computed from the raw frame features and the mask. As in STM
and STCN, key and value are side by side in the token. The key is matched by squared distance (STCN, section 3.2). The
value is read out unchanged, so no projection follows the softmax.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import CompactConfig
from .layers import ConvNorm, Residual, pixel_centres


class MemoryEncoder(nn.Module):
    """Frame features and a mask → memory tokens."""

    def __init__(self, cfg: CompactConfig) -> None:
        super().__init__()
        self.mask = nn.Sequential(ConvNorm(2, 16, stride=2), ConvNorm(16, 48, stride=2))
        self.key = nn.Conv2d(cfg.hidden, cfg.key, 1)
        self.fuse = nn.Sequential(ConvNorm(cfg.hidden + 48, 96), Residual(96), nn.Conv2d(96, cfg.value, 1))
        self.occluded = nn.Parameter(torch.zeros(1, cfg.value, 1, 1))

    def forward(self, feat: Tensor, mask: Tensor, score: Tensor, binarize: Tensor) -> Tensor:
        """feat [B,D,g,g], mask logits [B,1,h,w], score f32 [B], binarize f32 [B] → memory [B,g·g,Dm]."""
        side = feat.shape[-1] * 4
        logits = F.interpolate(mask, size=(side, side), mode="bilinear", align_corners=False)
        hard = binarize.view(-1, 1, 1, 1)
        inside = (logits > 0).float()
        prob = inside * hard + torch.sigmoid(logits) * (1.0 - hard)
        value = self.fuse(torch.cat([feat, self.mask(torch.cat([prob, inside], 1))], 1))
        value = value + self.occluded * (score <= 0).float().view(-1, 1, 1, 1)
        return torch.cat([self.key(feat), value], 1).flatten(2).transpose(1, 2)


class MemoryReadout(nn.Module):
    """Attention of a frame over an object's memories, with two heads that differ only in their locality.

    A learned function of the temporal row determines how much nearer cells are preferred: an object seldom jumps
    between neighbouring frames, while a conditioning frame may be far in the past. Squared distances are written as
    dot products of a few extra key and query columns, so the whole match is one matrix product.
    """

    HEADS = 2

    def __init__(self, cfg: CompactConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.query = nn.Conv2d(cfg.hidden, cfg.key, 1)
        self.sharpness = nn.Parameter(torch.tensor([0.5, 0.5]))
        # Per head: [recent at row 0, change per row, conditioning] for the bias and for the locality.
        self.bias = nn.Parameter(torch.tensor([[0.0, -0.1, 0.0], [1.0, -0.5, 0.0]]))
        self.locality = nn.Parameter(torch.tensor([[0.5, -0.2, -1.0], [4.0, -0.5, 1.0]]))

    def _row_table(self, table: Tensor) -> Tensor:
        """[heads,3] → one value per temporal row [heads,rows]."""
        rows = torch.arange(self.cfg.temporal_rows - 1, dtype=torch.float32, device=table.device)
        recent = table[:, 0:1] + table[:, 1:2] * rows
        return torch.cat([recent, table[:, 2:3]], 1)

    def forward(self, feat: Tensor, memory: Tensor, memory_t: Tensor) -> Tensor:
        """feat [B or 1,D,g,g], memory [B,M,T,Dm], memory_t int [B,M] → readout [B,heads·value,g,g]."""
        objects, slots, tokens, _ = memory.shape
        g = feat.shape[-1]
        query = self.query(feat).flatten(2).transpose(1, 2)  # [B|1,T,key]
        key, value = memory.split([self.cfg.key, self.cfg.value], -1)
        axis = pixel_centres(g, feat.device) * 8.0  # eighths of the frame
        x = axis.view(1, g).expand(g, g).reshape(1, tokens, 1)
        y = axis.view(g, 1).expand(g, g).reshape(1, tokens, 1)
        ones = torch.ones_like(x)
        place = torch.cat([2 * x, 2 * y, -ones, -(x * x + y * y)], -1)  # [1,T,4]
        memory_place = torch.cat([x, y, x * x + y * y, ones], -1)
        norm = key.square().sum(-1, keepdim=True)
        bias = self._row_table(self.bias)[:, memory_t.long()]  # [heads,B,M]
        locality = F.softplus(self._row_table(self.locality))[:, memory_t.long()]
        values = value.reshape(objects, slots * tokens, self.cfg.value)
        readouts = []
        for head in range(self.HEADS):
            sharp = F.softplus(self.sharpness[head])
            near = locality[head].view(objects, slots, 1, 1) * memory_place.unsqueeze(1)
            row = bias[head].view(objects, slots, 1, 1) - sharp * norm
            keys = torch.cat([2 * sharp * key, row, near], -1).reshape(objects, slots * tokens, -1)
            batch = query.shape[0]
            queries = torch.cat([query, ones.expand(batch, -1, -1), place.expand(batch, -1, -1)], -1)
            weights = torch.softmax(queries @ keys.transpose(1, 2), -1)  # [B,T,M·T]
            readouts.append(weights @ values)
        return torch.cat(readouts, -1).transpose(1, 2).reshape(objects, -1, g, g)


class PromptReadout(nn.Module):
    """Propagates a prompt to similar cells; replaces the memory readout in `segment`.

    A box contains object and background. Cells inside it that resemble cells outside are probably background. Each
    cell therefore reads, over the whole frame, the prompt features of the cells whose keys match its own.
    """

    def __init__(self, cfg: CompactConfig, prompt: int, width: int) -> None:
        super().__init__()
        self.value = nn.Conv2d(cfg.hidden + prompt, width, 1)
        self.sharpness = nn.Parameter(torch.tensor(0.0))

    def forward(self, key: Tensor, query: Tensor, feat: Tensor, prompt: Tensor) -> Tensor:
        """key and query [1|B,key,g,g], feat [1|B,D,g,g], prompt features at stride 16 [B,·,g,g] → [B,width,g,g]."""
        b, _, g, _ = prompt.shape
        value = self.value(torch.cat([feat.expand(b, -1, -1, -1), prompt], 1)).flatten(2).transpose(1, 2)
        keys, queries = key.flatten(2), query.flatten(2).transpose(1, 2)
        match = 2.0 * queries @ keys - keys.square().sum(1, keepdim=True)
        weights = torch.softmax(F.softplus(self.sharpness) * match, -1)  # [1|B,T,T]
        return (weights @ value).transpose(1, 2).reshape(b, -1, g, g)
