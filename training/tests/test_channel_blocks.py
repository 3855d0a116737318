"""Convolutions get aligned inputs without changing results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
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


def run(model: onnx.ModelProto, values: np.ndarray) -> list[np.ndarray]:
    return ort.InferenceSession(model.SerializeToString()).run(None, {"x": values})


def kernels_of(model: onnx.ModelProto) -> list[tuple[int, ...]]:
    """The shapes of the kernels of all convolutions"""
    stored = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    return [stored[node.input[1]] for node in model.graph.node if node.op_type == "Conv"]


def test_traced_convolutions_are_aligned_and_share_their_kernel(tmp_path: Path) -> None:
    torch.manual_seed(3)
    values = torch.randn(2, 3, 9, 7)
    path = tmp_path / "joined.onnx"
    axes = {"x": {0: "B"}}
    torch.onnx.export(Joined().eval(), (values,), str(path), input_names=["x"], dynamic_axes=axes, opset_version=18, dynamo=False)
    model = onnx.load(path)

    blocked = block_channels(onnx.load(path))

    onnx.checker.check_model(blocked)
    shapes = [tuple(tensor.dims) for tensor in blocked.graph.initializer]
    assert kernels_of(blocked).count((6, 24, 3, 3)) == 2 and shapes.count((6, 24, 3, 3)) == 1
    assert kernels_of(blocked).count((4, 6, 3, 3)) == 2 and (6, 22, 3, 3) not in shapes
    for batch in (values.numpy(), values[:1].numpy()):
        assert np.allclose(run(blocked, batch)[0], run(model, batch)[0], atol=1e-5)


def small_graph(*, groups: int = 1, outputs: tuple[str, ...] = ("y",), branch: bool = False) -> onnx.ModelProto:
    """x [1,18,4,4] beside itself and two more channels → a convolution"""
    rng = np.random.default_rng(1)
    kernel = rng.normal(size=(4, 38 // groups, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Concat", ["x", "x", "two"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "kernel"], ["y"], pads=[1, 1, 1, 1], group=groups),
    ]
    if branch:
        inner = helper.make_graph(
            [helper.make_node("ReduceSum", ["both"], ["z"])], "inner", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)]
        )
        nodes.append(helper.make_node("If", ["flag"], ["z"], then_branch=inner, else_branch=inner))
    stored = {"kernel": kernel, "two": np.ones((1, 2, 4, 4), np.float32), "flag": np.array(True)}
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 18, 4, 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize(
    ("options", "kernel"),
    [
        ({}, (4, 40, 3, 3)),
        ({"groups": 2}, (4, 19, 3, 3)),
        ({"outputs": ("y", "both")}, (4, 38, 3, 3)),
        ({"outputs": ("y", "z"), "branch": True}, (4, 38, 3, 3)),
    ],
    ids=["aligned", "in groups", "a result of the graph", "read in a branch"],
)
def test_only_convolutions_read_added_channels(options: dict[str, object], kernel: tuple[int, ...]) -> None:
    values = np.random.default_rng(2).normal(size=(1, 18, 4, 4)).astype(np.float32)
    model = small_graph(**options)
    expected = run(model, values)
    blocked = block_channels(model)
    assert kernels_of(blocked) == [kernel]
    for before, after in zip(expected, run(blocked, values), strict=True):
        assert before.shape == after.shape and np.allclose(before, after, atol=1e-4)
