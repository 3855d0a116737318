"""Reads of memory: the mask of a cell is the mean over the cells of remembered frames, weighted by their similarity.

Keys are unit vectors, so the weight of a match is exp((similarity − 1) / temperature), which needs no maximum for
numerical stability. Weights are summed over memories before one division. That avoids a softmax over concatenated
memories, and with it two transpositions of the largest tensor.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EMPTY = 1e-6  # total weight below which a cell has no match
MATCH_SCALE = 0.25  # brings the logarithm of weights to the order of 1


class TileGrid(nn.Module):
    """Divides a square map into tiles, and gives each tile the cells within `reach` of it.

    A read over such neighbourhoods is exact for displacements up to `reach` and many times cheaper than one over the
    whole frame.
    """

    def __init__(self, side: int) -> None:
        """:param side: of the map; a multiple of 4"""
        super().__init__()
        self.side = side
        self.tile = side // 4
        self.reach = side // 8
        span = self.tile + 2 * self.reach
        self.span = span
        inner = torch.arange(self.tile)
        outer = torch.arange(span) - self.reach
        starts = torch.arange(4) * self.tile
        rows = starts.view(4, 1) + inner
        index = rows.view(4, 1, -1, 1) * side + rows.view(1, 4, 1, -1)
        self.register_buffer("inner", index.reshape(-1), persistent=False)
        around = starts.view(4, 1) + outer
        valid = ((around >= 0) & (around < side)).float()
        index = around.clamp(0, side - 1).view(4, 1, -1, 1) * side + around.clamp(0, side - 1).view(1, 4, 1, -1)
        self.register_buffer("outer", index.reshape(-1), persistent=False)
        exists = valid.view(4, 1, -1, 1) * valid.view(1, 4, 1, -1)
        self.register_buffer("exists", exists.reshape(16, -1, 1), persistent=False)
        back = torch.empty(side * side, dtype=torch.long)
        back[self.inner] = torch.arange(side * side)
        self.register_buffer("back", back, persistent=False)

    def tiles(self, cells: Tensor) -> Tensor:
        """cells [...,side²,C] → the cells of each tile [...,16,tile²,C]"""
        return cells.index_select(-2, self.inner).unflatten(-2, (16, self.tile**2))

    def neighbourhoods(self, cells: Tensor) -> Tensor:
        """cells [...,side²,C] → the cells around each tile [...,16,span²,C]; those outside the map repeat its edge."""
        return cells.index_select(-2, self.outer).unflatten(-2, (16, self.span**2))

    def join(self, tiles: Tensor) -> Tensor:
        """[...,16,tile²,C] → [...,side²,C]"""
        return tiles.flatten(-3, -2).index_select(-2, self.back)


def read_near(grid: TileGrid, query: Tensor, keys: Tensor, values: Tensor, heat: Tensor, offset: Tensor) -> Tensor:
    """Reads from cells near each cell.

    :param query: unit keys of the frame [1|B,side²,C]
    :param keys: unit keys of memories [B,M,side²,C]
    :param values: [B,M,side²,V]
    :param heat: 1 / temperature, a scalar
    :param offset: logarithm of the weight of each memory [B,M]
    :returns: sums of values, and last the sum of weights [B,side²,V+1]
    """
    queries = grid.tiles(query * heat).unsqueeze(1)  # [1|B,1,16,t,C]
    near = grid.neighbourhoods(keys)  # [B,M,16,n,C]
    counted = grid.neighbourhoods(F.pad(values, (0, 1), value=1.0)) * grid.exists
    weights = torch.exp(queries @ near.transpose(-1, -2) + (offset - heat)[..., None, None, None])
    return grid.join((weights @ counted).sum(1))


def read_far(query: Tensor, keys: Tensor, values: Tensor, heat: Tensor, offset: Tensor) -> Tensor:
    """Reads from all cells; arguments and result as for `read_near`, with any number of cells [·,T,·]"""
    counted = F.pad(values, (0, 1), value=1.0)
    weights = torch.exp((query * heat).unsqueeze(1) @ keys.transpose(-1, -2) + (offset - heat)[..., None, None])
    return (weights @ counted).sum(1)


def share(sums: Tensor) -> tuple[Tensor, Tensor]:
    """Result of a read → mean values [...,V], and how well cells match, as a logarithm [...,1]."""
    total = sums[..., -1:]
    return sums[..., :-1] / (total + EMPTY), MATCH_SCALE * torch.log(total + EMPTY)
