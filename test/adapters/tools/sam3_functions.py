"""The visualisation functions of PyPI's `sam3`, and what they draw.

`import sam3` would load its model, so the module of the functions is loaded by its file. Of torch it needs only tensors of one
mask and `masks_to_boxes`. Where torch is not installed, arrays with the same methods stand in: torch is several gigabytes.
"""

import importlib.util
import os
import sys
import types

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

HAS_TORCH = importlib.util.find_spec("torch") is not None


class Tensor(np.ndarray):
    """An array with those methods of `torch.Tensor` that the functions of sam3 and its notebooks call."""

    def unsqueeze(self, axis):
        return np.expand_dims(self, axis).view(Tensor)

    def size(self, axis):
        return self.shape[axis]

    def clone(self):
        return self.copy()

    def numpy(self):
        return np.asarray(self)


def masks_to_boxes(masks):
    """As `torchvision.ops.masks_to_boxes`: bool [n, h, w] to float32 [n, 4], corners of the outermost pixels."""
    boxes = [[columns.min(), rows.min(), columns.max(), rows.max()] for rows, columns in map(np.nonzero, masks)]
    return np.array(boxes, np.float32).view(Tensor)


def _stand_in_for_torch():
    torch, torchvision, ops = (types.ModuleType(name) for name in ("torch", "torchvision", "torchvision.ops"))
    torch.Tensor = Tensor
    torch.float32, torch.int32 = np.float32, np.int32
    torch.tensor = lambda values, dtype=None: np.array(values, dtype).view(Tensor)
    ops.masks_to_boxes = masks_to_boxes
    torchvision.ops = ops
    sys.modules.update({"torch": torch, "torchvision": torchvision, "torchvision.ops": ops})


def load_functions():
    """The module `sam3.visualization_utils`, and torch or what stands in for it."""
    if not HAS_TORCH:
        _stand_in_for_torch()
    import torch

    (folder,) = importlib.util.find_spec("sam3").submodule_search_locations
    spec = importlib.util.spec_from_file_location(
        "sam3_visualization_utils", os.path.join(folder, "visualization_utils.py")
    )
    functions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(functions)
    return functions, torch


def drawn_pixels(axes, height, width):
    """What a figure shows of each pixel of its picture: float [height, width, 3], 0 to 255."""
    canvas = axes.figure.canvas
    canvas.draw()
    figure = np.asarray(canvas.buffer_rgba())[..., :3].astype(float)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    places = axes.transData.transform(np.stack([columns.ravel(), rows.ravel()], axis=1))
    across = np.clip(places[:, 0].astype(int), 0, figure.shape[1] - 1)
    down = np.clip(figure.shape[0] - 1 - places[:, 1].astype(int), 0, figure.shape[0] - 1)
    return figure[down, across].reshape(height, width, 3)


def tinted(pixels, picture, color, alpha=0.5, tolerance=4):
    """The pixels that show a picture under a colour: bool [h, w]. `color` is 0 to 1."""
    expected = alpha * np.asarray(color) * 255 + (1 - alpha) * picture.astype(float)
    is_tinted = (np.abs(pixels - expected) <= tolerance).all(axis=-1)
    return is_tinted & (np.abs(expected - picture).max(axis=-1) > 2 * tolerance)


def iou(mask, truth):
    union = (mask | truth).sum()
    return float((mask & truth).sum() / union) if union else 1.0


def last_axes():
    return plt.gcf().axes[-1]
