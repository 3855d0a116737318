"""Convolutions get aligned inputs and stored kernels without changing results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import numpy_helper
from torch import nn

from masklet_training.channel_blocks import block_channels
from masklet_training.model.layers import convolve_shared


class Joined(nn.Module):
    """Two convolutions of one kernel, of 17 + 5 channels, and one of which the second input is shared"""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 17, 1), nn.Conv2d(3, 5, 1)
        self.joined = nn.Conv2d(22, 6, 3, padding=1)
        self.parts = nn.Conv2d(12, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.joined(torch.cat([self.left(x), self.right(x)], 1))
        second = self.joined(torch.cat([self.right(x), self.left(x)], 1))
        return convolve_shared(self.parts, first, second[:1])


def run(model: onnx.ModelProto, values: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(model.SerializeToString()).run(None, {"x": values})[0]


def test_convolutions_are_aligned_and_their_kernels_stored_once(tmp_path: Path) -> None:
    torch.manual_seed(3)
    values = torch.randn(2, 3, 9, 7)
    path = tmp_path / "joined.onnx"
    axes = {"x": {0: "B"}}
    torch.onnx.export(Joined().eval(), (values,), str(path), input_names=["x"], dynamic_axes=axes, opset_version=18, dynamo=False)
    model = onnx.load(path)
    expected = run(model, values.numpy())

    blocked = block_channels(model)

    onnx.checker.check_model(blocked)
    kernels = {tensor.name: numpy_helper.to_array(tensor) for tensor in blocked.graph.initializer}
    convolutions = [node for node in blocked.graph.node if node.op_type == "Conv"]
    shapes = [kernels[node.input[1]].shape for node in convolutions]
    assert sorted(shapes) == sorted([*[(17, 3, 1, 1), (5, 3, 1, 1)], *[(6, 24, 3, 3)] * 2, *[(4, 6, 3, 3)] * 2])
    assert sum(kernel.shape == (6, 24, 3, 3) for kernel in kernels.values()) == 1
    assert not any(kernel.shape in [(6, 22, 3, 3), (4, 12, 3, 3)] for kernel in kernels.values())
    assert np.allclose(run(blocked, values.numpy()), expected, atol=1e-5)
    one = values[:1].numpy()
    assert np.allclose(run(blocked, one), run(onnx.load(path), one), atol=1e-5)
