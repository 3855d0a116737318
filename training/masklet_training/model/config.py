"""Sizes of the compact network. The geometry in the pack's manifest is derived from them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CompactConfig:
    """Widths of the network. Spatial sizes follow from the image side, which is chosen at export."""

    stem: int = 16
    stage4: int = 32  # channels at stride 4
    stage8: int = 80  # channels at stride 8
    stage16: int = 160  # channels at stride 16
    hidden: int = 128  # D: width of feat, of text tokens and of object pointers
    key: int = 32  # part of a memory token that is matched with the frame
    value: int = 64  # part of a memory token that is read out
    temporal_rows: int = 7  # rows 0..5 are 1..6 frames back, the last one is for conditioning frames
    max_pointers: int = 16
    vocabulary: int = 1024
    text_length: int = 16  # L
    names: int = 1241  # phrases of the training vocabulary
    queries: int = 32  # K: detections kept per concept

    @property
    def memory(self) -> int:
        """Dm: width of one memory token."""
        return self.key + self.value

    @property
    def feat_s1(self) -> int:
        return self.hidden // 4

    @property
    def feat_s0(self) -> int:
        return self.hidden // 8

    @property
    def trunk(self) -> int:
        """Ct: the three feature levels and the picture, stacked at stride 16 (space to depth), so that one tensor feeds
        `detect`."""
        return self.hidden + 4 * self.feat_s1 + 16 * self.feat_s0 + 256 * 3
