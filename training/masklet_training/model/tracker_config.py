"""Sizes of the tracker on pretrained features."""

from __future__ import annotations

from dataclasses import dataclass

from .lite import EfficientNetLite

SUBCELLS = 4  # cells of stride 8 in a cell of stride 16
PIXELS = 16  # cells of stride 4 in a cell of stride 16


@dataclass(frozen=True)
class TrackerConfig:
    """Widths of the tracker. Spatial sizes follow from the image side, which is chosen at export."""

    size: str = "lite0"  # of the pretrained network
    key: int = 48  # matched width of a cell of stride 8
    context: int = 16  # part of `feat` from stride 32
    neck: int = 80  # width of the layers before the keys
    neck_context: int = 64  # of their input from stride 32
    temporal_rows: int = 7  # rows 0..5 are 1..6 frames back, the last one is for conditioning frames
    max_pointers: int = 16
    wide: int = 64  # decoder at stride 8
    fine: int = 24  # decoder at stride 4
    prompt_wide: int = 96  # decoder of prompts at stride 16

    @property
    def appearance(self) -> int:
        """Channels of stride 16."""
        return EfficientNetLite.widths(self.size)[16]

    @property
    def hidden(self) -> int:
        """D: appearance, keys and context side by side; also the width of object pointers."""
        return self.appearance + SUBCELLS * self.key + self.context

    @property
    def feat_s1(self) -> int:
        return self.hidden // 4

    @property
    def feat_s0(self) -> int:
        return self.hidden // 8

    @property
    def memory(self) -> int:
        """Dm: the keys and the mask of a cell of stride 16."""
        return SUBCELLS * self.key + PIXELS
