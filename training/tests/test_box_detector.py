"""The box detector's boxes, and the reader of its published weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from masklet_training.model.box_detector import DISTANCES, BoxDetector, decode_boxes, load_boxes, published_convolutions, with_aspect


def test_distances_are_measured_from_the_middle_of_a_cell() -> None:
    sides = torch.full((4, DISTANCES, 4, 4), -30.0)
    for side, cells in enumerate((1, 0, 2, 1)):  # left, top, right, bottom
        sides[side, cells] = 30.0
    boxes = decode_boxes(sides.flatten(0, 1))
    assert torch.allclose(boxes[1 * 4 + 1], torch.tensor([0.125, 0.375, 0.875, 0.625]))
    assert torch.allclose(boxes[0], torch.tensor([0.0, 0.125, 0.625, 0.375]))  # cut at the frame


def test_distances_are_shares_of_width_and_height() -> None:
    sides = torch.full((4, DISTANCES, 2, 4), -30.0)
    for side, cells in enumerate((1, 0, 2, 1)):
        sides[side, cells] = 30.0
    boxes = decode_boxes(sides.flatten(0, 1))
    assert boxes.shape == (8, 4)
    assert torch.allclose(boxes[0 * 4 + 1], torch.tensor([0.125, 0.25, 0.875, 0.75]))


@pytest.mark.parametrize(
    ("aspect", "shape"), [(1.0, (384, 384)), (16 / 9, (288, 512)), (0.5, (544, 256)), (50.0, (192, 768)), (0.0, (768, 192))]
)
def test_frames_get_their_proportions_back(aspect: float, shape: tuple[int, int]) -> None:
    image = torch.arange(384.0).view(1, 1, 1, 384).expand(1, 3, 384, 384)
    wide = with_aspect(image, torch.tensor([aspect]))
    assert wide.shape == (1, 3, *shape)
    assert torch.allclose(wide[0, 0, 0].mean(), torch.tensor(191.5), atol=0.1)


@torch.no_grad()
def test_all_levels_report_cells() -> None:
    probabilities, boxes = BoxDetector().eval()(torch.rand(1, 3, 64, 64) * 255, torch.ones(1))
    assert probabilities.shape == (80, 64 + 16 + 4) and boxes.shape == (84, 4)
    assert float(boxes.min()) >= 0.0 and float(boxes.max()) <= 1.0


def write_graph(folder: Path, count: int) -> Path:
    """A graph as for TensorFlow.js: convolutions that are not in the order of their names, and their biases"""
    rng = np.random.default_rng(1)
    nodes, weights, data = [], [], b""
    for index in reversed(range(count)):
        name = f"call/convolution{f'_{index}' if index else ''}"
        for kind, shape in (("kernel", [3, 3, 2, 4]), ("bias", [4])):
            weights.append({"name": f"{name}/{kind}", "shape": shape, "dtype": "float32", "quantization": {"dtype": "float16"}})
            data += (np.full(shape, index) + (rng.normal(size=shape) if kind == "kernel" else 0)).astype(np.float16).tobytes()
        nodes += [
            {"name": name, "op": "Conv2D", "input": ["x", f"{name}/kernel"]},
            {"name": f"{name}/Add", "op": "Add", "input": [name, f"{name}/bias"]},
        ]
    path = folder / "nanodet.json"
    path.write_text(json.dumps({"modelTopology": {"node": nodes}, "weightsManifest": [{"weights": weights}]}))
    path.with_suffix(".bin").write_bytes(data)
    return path


def test_published_convolutions_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    kernels, biases = published_convolutions(write_graph(tmp_path, 12))
    assert [int(bias[0]) for bias in biases] == list(range(12)) and kernels[0].shape == (4, 2, 3, 3)
    assert F.conv2d(torch.ones(1, 2, 3, 3), kernels[3], biases[3]).shape == (1, 4, 1, 1)


def test_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected 34 convolutions, got 12"):
        load_boxes(write_graph(tmp_path, 12))
