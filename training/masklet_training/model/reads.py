"""Reads of memory: the mask of a cell is the mean over the cells of remembered frames, weighted by their similarity.

Keys are unit vectors, so the weight of a match is exp((similarity − 1) / temperature), which needs no maximum for
numerical stability. Weights are summed over memories before one division. That avoids a softmax over concatenated
memories, and with it two transpositions of the largest tensor. Factors of a memory are applied to its values, which are
smaller than the matrix of similarities.
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
    whole frame. The cells of a map are in the order of `split_tokens`, so that memories need not be transposed; results
    are in rows.
    """

    def __init__(self, side: int) -> None:
        """:param side: of the map; a multiple of 4"""
        super().__init__()
        self.side = side
        self.tile = side // 4
        self.reach = side // 8
        span = self.tile + 2 * self.reach
        self.span = span
        rows = torch.arange(side)
        token = rows.view(-1, 1) // 2 * (side // 2) + rows // 2
        order = (token * 4 + rows.view(-1, 1) % 2 * 2 + rows % 2).flatten()  # row by row, the index of each cell
        self.register_buffer("order", order, persistent=False)
        inner = torch.arange(self.tile)
        outer = torch.arange(span) - self.reach
        starts = torch.arange(4) * self.tile
        rows = starts.view(4, 1) + inner
        index = rows.view(4, 1, -1, 1) * side + rows.view(1, 4, 1, -1)
        inside = index.reshape(-1)
        self.register_buffer("inner", order[inside], persistent=False)
        around = starts.view(4, 1) + outer
        valid = ((around >= 0) & (around < side)).float()
        index = around.clamp(0, side - 1).view(4, 1, -1, 1) * side + around.clamp(0, side - 1).view(1, 4, 1, -1)
        self.register_buffer("outer", order[index.reshape(-1)], persistent=False)
        exists = valid.view(4, 1, -1, 1) * valid.view(1, 4, 1, -1)
        self.register_buffer("exists", exists.reshape(16, -1, 1), persistent=False)
        back = torch.empty(side * side, dtype=torch.long)
        back[inside] = torch.arange(side * side)
        self.register_buffer("back", back, persistent=False)

    def tiles(self, cells: Tensor) -> Tensor:
        """cells [...,side²,C] → the cells of each tile [...,16,tile²,C]"""
        return cells.index_select(-2, self.inner).unflatten(-2, (16, self.tile**2))

    def neighbourhoods(self, cells: Tensor) -> Tensor:
        """cells [...,side²,C] → the cells around each tile [...,16,span²,C]; those outside the map repeat its edge."""
        return cells.index_select(-2, self.outer).unflatten(-2, (16, self.span**2))

    def join(self, tiles: Tensor) -> Tensor:
        """[...,16,tile²,C] → [...,side²,C] row by row"""
        return tiles.flatten(-3, -2).index_select(-2, self.back)

    def in_rows(self, cells: Tensor) -> Tensor:
        """cells [...,side²,C] → the same row by row"""
        return cells.index_select(-2, self.order)


def join_cells(planes: Tensor) -> Tensor:
    """Four neighbouring cells side by side: [N,C,2g,2g] → [N,4·C,g,g]"""
    return F.pixel_unshuffle(planes, 2).unflatten(1, (-1, 4)).transpose(1, 2).flatten(1, 2)


def split_cells(joined: Tensor) -> Tensor:
    """The opposite of `join_cells`"""
    return F.pixel_shuffle(joined.unflatten(1, (4, -1)).transpose(1, 2).flatten(1, 2), 2)


def split_tokens(tokens: Tensor) -> Tensor:
    """Tokens of four cells [...,T,4·C] → cells [...,4·T,C]"""
    return tokens.unflatten(-1, (4, tokens.shape[-1] // 4)).flatten(-3, -2)


def read_near(grid: TileGrid, query: Tensor, keys: Tensor, values: Tensor, heat: Tensor, offset: Tensor) -> Tensor:
    """Reads from cells near each cell, of each memory.

    :param query: unit keys of the frame [1|B,side²,C]
    :param keys: unit keys of memories [B,M,side²,C]
    :param values: [B,M,side²,V]; the order of all these cells is that of `split_tokens`
    :param heat: 1 / temperature, a scalar
    :param offset: logarithm of the weight of each memory [B,M]
    :returns: sums of values, and last the sum of weights, row by row [B,M,side²,V+1]
    """
    queries = grid.tiles(query * heat).unsqueeze(1)  # [1|B,1,16,t,C]
    near = grid.neighbourhoods(keys)  # [B,M,16,n,C]
    counted = grid.neighbourhoods(F.pad(values, (0, 1), value=1.0) * factors(offset, heat)) * grid.exists
    return grid.join(torch.exp(queries @ near.transpose(-1, -2)) @ counted)


def read_far(query: Tensor, keys: Tensor, values: Tensor, heat: Tensor, offset: Tensor) -> Tensor:
    """Reads from all cells of all memories. Arguments as for `read_near`, with any number of cells [·,T,·].

    :returns: sums of values, and last the sum of weights, in the order of the query [B,T,V+1]
    """
    counted = F.pad(values, (0, 1), value=1.0) * factors(offset, heat)
    return (torch.exp((query * heat).unsqueeze(1) @ keys.transpose(-1, -2)) @ counted).sum(1)


def factors(offset: Tensor, heat: Tensor) -> Tensor:
    """Weight of each memory, and of a match whose similarity is 0: [B,M] → [B,M,1,1]. With them a perfect match weighs 1."""
    return torch.exp(offset - heat)[..., None, None]


def share(sums: Tensor) -> tuple[Tensor, Tensor]:
    """Result of a read → mean values [...,V], and how well cells match, as a logarithm [...,1]."""
    total = sums[..., -1:]
    return sums[..., :-1] / (total + EMPTY), MATCH_SCALE * torch.log(total + EMPTY)
