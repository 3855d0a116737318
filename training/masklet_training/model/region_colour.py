"""Whether a region has a colour that a phrase names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Names of colours in the order of `vocabulary.COLOURS`, as hues in degrees; the rest follows from saturation and value.
HUES = {0: 0.0, 1: 28.0, 2: 52.0, 3: 115.0, 4: 225.0, 5: 280.0, 6: 335.0, 11: 185.0}
REACH = {0: 22.0, 1: 20.0, 2: 18.0, 3: 50.0, 4: 45.0, 5: 32.0, 6: 32.0, 11: 22.0}  # degrees to either side
RED, ORANGE, YELLOW, PINK, BROWN, BLACK, WHITE, GRAY = 0, 1, 2, 6, 7, 8, 9, 10
COLOURS = 12
ENOUGH = 0.16  # share of a region's pixels
SOFT = 0.04


class ColourJudge(nn.Module):
    """Pixels → their colours; a pixel may have several, such as red and pink"""

    def shares(self, image: Tensor) -> Tensor:
        """image f32 0..255 [1,3,h,w] → for each colour, how much a pixel has it, 0..1 [12,h,w]"""
        red, green, blue = (image[0] / 255.0).unbind(0)
        value = torch.maximum(torch.maximum(red, green), blue)
        chroma = value - torch.minimum(torch.minimum(red, green), blue)
        saturation = chroma / value.clamp(min=0.02)
        safe = chroma.clamp(min=1e-4)
        cold = torch.where(value <= green, 2.0 + (blue - red) / safe, 4.0 + (red - green) / safe)
        sector = torch.where(value <= red, (green - blue) / safe, cold)
        hue = 60.0 * sector
        vivid = ramp(saturation, 0.22, 0.38) * ramp(value, 0.16, 0.3)
        planes = [torch.zeros_like(value)] * COLOURS
        for colour, centre in HUES.items():
            away = torch.remainder(hue - centre + 180.0, 360.0) - 180.0
            planes[colour] = ramp(REACH[colour] + 8.0 - away.abs(), 0.0, 10.0) * vivid
        warm = torch.maximum(planes[0], torch.maximum(planes[1], planes[2]))
        dull = ramp(saturation, 0.15, 0.22) * ramp(0.75 - value, 0.0, 0.15) * ramp(60.0 - hue.abs(), 0.0, 15.0) * ramp(value, 0.08, 0.15)
        planes[BROWN] = warm * ramp(0.9 - value, 0.0, 0.15) + dull
        pale_red = planes[RED] * ramp(value, 0.6, 0.75) * ramp(0.6 - saturation, 0.0, 0.1)
        planes[PINK] = torch.maximum(planes[PINK], pale_red) * ramp(value, 0.45, 0.6)
        planes[RED] = planes[RED] * ramp(saturation, 0.42, 0.55)
        planes[ORANGE] = planes[ORANGE] * ramp(value, 0.45, 0.6)
        planes[YELLOW] = planes[YELLOW] * ramp(value, 0.4, 0.55)
        pale = ramp(0.34 - saturation, 0.0, 0.12)
        planes[BLACK] = ramp(0.33 - value, 0.0, 0.1) * torch.maximum(ramp(0.6 - saturation, 0.0, 0.1), ramp(0.2 - value, 0.0, 0.05))
        planes[WHITE] = ramp(value, 0.55, 0.72) * pale
        planes[GRAY] = ramp(value, 0.18, 0.28) * ramp(0.85 - value, 0.0, 0.1) * pale
        return torch.stack(planes, 0).clamp(0.0, 1.0)

    def forward(self, image: Tensor, masks: Tensor, wanted: Tensor) -> Tensor:
        """image f32 0..255 [1,3,S,S], mask logits [R,1,m,m], wanted colours, zeros and ones [R,12] → 0..1, and 1 where no
        colour is wanted [R]
        """
        shares = self.shares(F.avg_pool2d(image, 4)).flatten(1)  # [12,m²]
        inside = (masks[:, 0] > 0).float().flatten(1)  # [R,m²]
        mean = (inside @ shares.transpose(0, 1)) / (inside.sum(1, keepdim=True) + 1e-3)  # [R,12]
        has = torch.sigmoid((mean - ENOUGH) / SOFT)
        return (1.0 - wanted * (1.0 - has)).amin(1)


def ramp(x: Tensor, low: float, high: float) -> Tensor:
    """0 below `low`, 1 above `high`"""
    return ((x - low) / (high - low)).clamp(0.0, 1.0)
