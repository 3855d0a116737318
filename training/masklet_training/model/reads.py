"""Reads of memory: the mask of a cell is the mean over the cells of remembered frames, weighted by their similarity.

Keys are unit vectors, so the weight of a match is exp((similarity − 1) / temperature), which needs no maximum for
numerical stability. Weights are summed over memories before one division. That avoids a softmax over concatenated
memories, and with it two transpositions of the largest tensor. Factors of a memory are applied to its values, which are
smaller than the matrix of similarities.

All objects remember the same keys of a frame. So similarities are computed once for each frame (`distinct_frames`), and
multiplied by the values of all objects side by side.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EMPTY = 1e-6  # total weight below which a cell has no match
MATCH_SCALE = 0.25  # brings the logarithm of weights to the order of 1
PROBES = 8  # numbers by which the keys of frames are compared
SAME_FRAME = 1e-3  # largest difference of these for equal keys; rounding changes them by 1e-5


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
        outer = order[index.reshape(-1)]
        self.register_buffer("outer", outer, persistent=False)
        exists = (valid.view(4, 1, -1, 1) * valid.view(1, 4, 1, -1)).flatten() > 0
        self.register_buffer("outer_or_zero", torch.where(exists, outer, side * side), persistent=False)
        back = torch.empty(side * side, dtype=torch.long)
        back[inside] = torch.arange(side * side)
        self.register_buffer("back", back, persistent=False)

    def tiles(self, cells: Tensor) -> Tensor:
        """cells [...,side²,C] → the cells of each tile [...,16,tile²,C]"""
        return cells.index_select(-2, self.inner).unflatten(-2, (16, self.tile**2))

    def neighbourhoods(self, cells: Tensor) -> Tensor:
        """cells [...,side²,C] → the cells around each tile [...,16,span²,C]; those outside the map repeat its edge."""
        return cells.index_select(-2, self.outer).unflatten(-2, (16, self.span**2))

    def neighbourhoods_or_zeros(self, cells: Tensor) -> Tensor:
        """As `neighbourhoods`, with zeros outside the map"""
        return F.pad(cells, (0, 0, 0, 1)).index_select(-2, self.outer_or_zero).unflatten(-2, (16, self.span**2))

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


def distinct_frames(memory: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The frames among memories.

    :param memory: [B,M,T,Dm], whose first `width` numbers are keys
    :returns: one memory of each of K frames [K,T,Dm], and 1 where a memory is of a frame [B,M,K]
    """
    flat = memory.flatten(0, 1).detach()
    probe = F.pad(torch.cos(torch.arange(1.0, width + 1) ** 2), (0, flat.shape[-1] - width)).to(flat)
    places = torch.cos(torch.arange(flat.shape[1]).view(-1, 1) * torch.arange(1.0, PROBES + 1) ** 0.5).to(flat)
    seen = torch.matmul(flat, probe.unsqueeze(1)).squeeze(2) @ places  # [B·M,PROBES]
    same = ((seen.unsqueeze(1) - seen.unsqueeze(0)).abs().amax(2) < SAME_FRAME).to(flat.dtype)
    number = torch.cumsum(seen[:, 0] * 0 + 1, 0)
    earlier = (number.unsqueeze(1) > number.unsqueeze(0)).to(flat.dtype)
    rows = torch.nonzero((same * earlier).amax(1) < 0.5)[:, 0]
    return memory.flatten(0, 1).index_select(0, rows), same.index_select(1, rows).unflatten(0, memory.shape[:2])


def weighted(values: Tensor, offset: Tensor, heat: Tensor) -> Tensor:
    """Values and a 1 per cell, times the weight of their memory: values [B,M,T,V], logarithm of the weights [B,M], heat, see
    `read_near` → [B,M,T,V+1]. A perfect match then weighs 1.
    """
    return F.pad(values, (0, 1), value=1.0) * torch.exp(offset - heat)[..., None, None]


def side_by_side(values: Tensor, of_frame: Tensor) -> Tensor:
    """Values of all objects, added up per frame: values [B,M,T,V], of_frame [B,M,K] → [K,T,B·V]"""
    each = (of_frame.transpose(1, 2) @ values.flatten(2)).unflatten(2, values.shape[2:])  # [B,K,T,V]
    return each.permute(1, 2, 0, 3).flatten(2)


def by_object(sums: Tensor, width: int) -> Tensor:
    """[T,B·width] → [B,T,width]"""
    return sums.unflatten(1, (-1, width)).transpose(0, 1)


def read_near(grid: TileGrid, query: Tensor, keys: Tensor, values: Tensor, heat: Tensor) -> Tensor:
    """Reads from cells near each cell, of each frame.

    :param query: unit keys of the present frame [side²,C]
    :param keys: unit keys of K frames [K,side²,C]
    :param values: [K,side²,V]; the order of all these cells is that of `split_tokens`
    :param heat: 1 / temperature, a scalar
    :returns: sums of values, row by row [side²,V]
    """
    near = grid.neighbourhoods(keys).transpose(-1, -2)  # [K,16,C,n]
    matches = torch.exp(grid.tiles(query * heat) @ near)  # [K,16,t,n]
    return grid.join((matches @ grid.neighbourhoods_or_zeros(values)).sum(0))


def read_far(query: Tensor, keys: Tensor, values: Tensor, heat: Tensor) -> Tensor:
    """Reads from all cells of all frames. Arguments as for `read_near`, with any number of cells [·,T,·].

    :returns: sums of values, in the order of the query [T,V]
    """
    return (torch.exp((query * heat) @ keys.transpose(-1, -2)) @ values).sum(0)


def share(sums: Tensor) -> tuple[Tensor, Tensor]:
    """Result of a read → mean values [...,V], and how well cells match, as a logarithm [...,1]."""
    total = sums[..., -1:]
    return sums[..., :-1] / (total + EMPTY), MATCH_SCALE * torch.log(total + EMPTY)
