"""Drawing frames and finding regions on them takes longer than learning from a region, so regions are learnt from again
before they are forgotten."""

from __future__ import annotations

import torch
from torch import Tensor

from .model.naming import RegionViews
from .region_naming import Regions

CAPACITY = 40_000  # regions, 24 kB each


class RegionReplay:
    """The most recent regions, views as float16."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.kept: list[Tensor] = []
        self.count = 0  # regions ever added

    def add(self, regions: Regions) -> None:
        """Writes over the oldest when there is no room."""
        fields = [*(view.half() for view in regions.views), *regions.truth]
        if not self.kept:
            self.kept = [field.new_empty((self.capacity, *field.shape[1:])) for field in fields]
        places = (self.count + torch.arange(len(regions.truth[0]))) % self.capacity
        for kept, field in zip(self.kept, fields):
            kept[places] = field
        self.count += len(places)

    def draw(self, number: int) -> Regions:
        """Any `number` of what is kept, some perhaps twice; all or none of them seen in a mirror, which changes no name."""
        places = torch.randint(min(self.count, self.capacity), (number,))
        *views, positive, doubtful = (kept[places] for kept in self.kept)
        views = [view.float() for view in views]
        if torch.rand(()) < 0.5:
            views[:3] = [view.flip(3) for view in views[:3]]
        return Regions(RegionViews(*views), (positive, doubtful))
