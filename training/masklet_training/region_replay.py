"""Replays earlier regions, because drawing frames and finding regions on them takes longer than learning from a region."""

from __future__ import annotations

import torch
from torch import Tensor

from .model.naming import RegionViews
from .region_naming import Regions

CAPACITY = 40_000  # regions, 27 kB each


class RegionReplay:
    """The most recent regions, with views stored as float16"""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.kept: list[Tensor] = []
        self.count = 0  # total number of regions added

    def add(self, regions: Regions) -> None:
        """Adds regions and overwrites the oldest if the buffer is full."""
        fields = [*(view.half() for view in regions.views), *regions.truth]
        if not self.kept:
            self.kept = [field.new_empty((self.capacity, *field.shape[1:])) for field in fields]
        places = (self.count + torch.arange(len(regions.truth[0]))) % self.capacity
        for kept, field in zip(self.kept, fields):
            kept[places] = field
        self.count += len(places)

    def draw(self, number: int) -> Regions:
        """Draws `number` regions with replacement. All or none of them are mirrored, which changes no name."""
        places = torch.randint(min(self.count, self.capacity), (number,))
        *views, positive, doubtful = (kept[places] for kept in self.kept)
        views = [view.float() for view in views]
        if torch.rand(()) < 0.5:
            views[:3] = [view.flip(3) for view in views[:3]]
        return Regions(RegionViews(*views), (positive, doubtful))
