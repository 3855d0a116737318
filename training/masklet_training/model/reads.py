"""Reads of memory: the mask of a cell is the mean over the cells of remembered frames, weighted by their similarity.

Keys are unit vectors, so the weight of a match is exp((similarity − 1) / temperature), which needs no maximum for
numerical stability. Weights are summed over memories before one division. That avoids a softmax over concatenated
memories, and with it two transpositions of the largest tensor. Factors of a memory are applied to its values, which are
smaller than the matrix of similarities.

Objects that remember the same frames have the same keys, and differ in values alone. Reads therefore accept fewer keys than
values: similarities are computed once for all objects of the same keys, whose values lie side by side.
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


def read_near(
    grid: TileGrid, query: Tensor, keys: Tensor, values: Tensor, heat: Tensor, offset: Tensor, given: Tensor, kinds: Tensor | int
) -> tuple[Tensor, Tensor]:
    """Reads from cells near each cell, of each memory.

    :param query: unit keys of the frame [1|K,side²,C]
    :param keys: unit keys of memories [K,M,side²,C]; K divides B, and B / K successive objects have the same keys
    :param values: [B,M,side²,V]; the order of all these cells is that of `split_tokens`
    :param heat: 1 / temperature, a scalar
    :param offset: logarithm of the weight of each memory [B,M]
    :param given: whether each memory is that of a prompt, 0 or 1 [B,M]
    :param kinds: K, which the exporter would treat as a constant if it were read from `keys`
    :returns: sums of values, and last the sum of weights, row by row: of all memories, and of those of prompts alone
        [B,side²,V+1]
    """
    width = values.shape[3] + 1
    queries = grid.tiles(query * heat).unsqueeze(1)  # [1|K,1,16,t,C]
    near = grid.neighbourhoods(keys)  # [K,M,16,n,C]
    counted = side_by_side(F.pad(values, (0, 1), value=1.0) * factors(offset, heat), kinds)
    counted = grid.neighbourhoods(counted) * grid.exists  # [K,M,16,n,(B/K)·(V+1)]
    each = (torch.exp(queries @ near.transpose(-1, -2)) @ counted).unflatten(4, (-1, width))  # [K,M,16,t,B/K,V+1]
    shares = given.unflatten(0, (kinds, -1)).transpose(1, 2)[:, :, None, None, :, None]
    sums = torch.cat([each.sum(1), (each * shares).sum(1)], 4)
    return grid.join(sums.permute(0, 3, 1, 2, 4).flatten(0, 1)).split(width, 2)


def read_far(query: Tensor, keys: Tensor, values: Tensor, heat: Tensor, offset: Tensor, kinds: Tensor | int) -> Tensor:
    """Reads from all cells of all memories. Arguments as for `read_near`, with any number of cells [·,T,·].

    :returns: sums of values, and last the sum of weights, in the order of the query [B,T,V+1]
    """
    counted = side_by_side(F.pad(values, (0, 1), value=1.0) * factors(offset, heat), kinds)
    sums = (torch.exp((query * heat).unsqueeze(1) @ keys.transpose(-1, -2)) @ counted).sum(1)  # [K,T,(B/K)·(V+1)]
    return sums.unflatten(2, (-1, values.shape[3] + 1)).transpose(1, 2).flatten(0, 1)


def side_by_side(values: Tensor, kinds: Tensor | int) -> Tensor:
    """The values of the objects of each kind: [B,M,T,V] → [kinds,M,T,(B/kinds)·V]"""
    return values.unflatten(0, (kinds, -1)).permute(0, 2, 3, 1, 4).flatten(3)


def kinds_of_keys(keys: Tensor, b: int) -> Tensor:
    """How many keys must be read: 1 if those of all objects are the same, otherwise all. keys [B,...]

    :param b: B, from the size of an input of the graph
    """
    same = (keys == keys[:1]).float().amin() > 0.5
    return torch.where(same, 1, torch.as_tensor(b))


def factors(offset: Tensor, heat: Tensor) -> Tensor:
    """Weight of each memory, and of a match whose similarity is 0: [B,M] → [B,M,1,1]. With them a perfect match weighs 1."""
    return torch.exp(offset - heat)[..., None, None]


def share(sums: Tensor) -> tuple[Tensor, Tensor]:
    """Result of a read → mean values [...,V], and how well cells match, as a logarithm [...,1]."""
    total = sums[..., -1:]
    return sums[..., :-1] / (total + EMPTY), MATCH_SCALE * torch.log(total + EMPTY)
