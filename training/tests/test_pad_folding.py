"""Padding of one side moves into convolutions without changing results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from masklet_training.model.lite import SidedConv
from masklet_training.pad_folding import fold_pads


class Padded(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.second = SidedConv(4, 4, 5, stride=2, groups=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(nn.functional.pad(x, (0, 1, 2, 0), value=self.value))))


def run(model: onnx.ModelProto, values: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(model.SerializeToString()).run(None, {"x": values})[0]


@pytest.mark.parametrize(("value", "left"), [(0.0, 0), (1.5, 1)])
def test_pads_of_zeros_move_into_the_convolution(tmp_path: Path, value: float, left: int) -> None:
    torch.manual_seed(1)
    values = torch.randn(1, 3, 32, 32)
    path = tmp_path / "padded.onnx"
    torch.onnx.export(Padded(value).eval(), (values,), str(path), input_names=["x"], opset_version=18, dynamo=False)
    model = onnx.load(path)
    expected = run(model, values.numpy())
    assert sum(node.op_type == "Pad" for node in model.graph.node) == 2
    folded = fold_pads(model)
    onnx.checker.check_model(folded)
    assert sum(node.op_type == "Pad" for node in folded.graph.node) == left
    assert np.allclose(run(folded, values.numpy()), expected, atol=1e-6)
