"""Large convolutions are computed with 8-bit integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from masklet_training.byte_arithmetic import LARGEST_WEIGHT, Range, compute_in_bytes, large_convolutions, shown_output
from masklet_training.model.lite_tracker import PlainResidual

CHANNELS = 16


class Twice(nn.Module):
    """One residual block in two places, before a small convolution"""

    def __init__(self) -> None:
        super().__init__()
        self.block = PlainResidual(CHANNELS)
        nn.init.normal_(self.block.second.weight, std=0.1)
        nn.init.normal_(self.block.second.bias)
        self.last = nn.Conv2d(CHANNELS, 2, 3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.block(self.block(x)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    torch.manual_seed(2)
    path: Path = tmp_path_factory.mktemp("bytes") / "twice.onnx"
    torch.onnx.export(
        Twice().eval(),
        (example(),),
        str(path),
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": {0: "B"}},
        opset_version=18,
        dynamo=False,
    )
    return onnx.load(path)


def example(seed: int = 5, count: int = 2) -> torch.Tensor:
    return torch.randn(count, CHANNELS, 12, 12, generator=torch.Generator().manual_seed(seed))


def copy_of(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def run(model: onnx.ModelProto, values: torch.Tensor, outputs: list[str] | None = None) -> list[np.ndarray]:
    model = copy_of(model)
    listed = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs or [] if name not in listed)
    return ort.InferenceSession(model.SerializeToString()).run(outputs or ["y"], {"x": values.numpy()})


def ranges_of(model: onnx.ModelProto, values: torch.Tensor) -> dict[str, Range]:
    found = {}
    for node in large_convolutions(model.graph):
        ends = [node.input[0], shown_output(model.graph, node)[0]]
        source, shown = run(model, values, ends)
        found[node.name] = Range(input=(source.min(), source.max()), output=(shown.min(), shown.max()))
    return found


def fused(model: onnx.ModelProto, path: Path) -> list[str]:
    """The kinds of nodes after the optimisations of ONNX Runtime"""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    ort.InferenceSession(model.SerializeToString(), options)
    return [node.op_type for node in onnx.load(path).graph.node]


def test_results_are_close_and_the_runtime_uses_integers(model: onnx.ModelProto, tmp_path: Path) -> None:
    converted = compute_in_bytes(copy_of(model), ranges_of(model, example()))

    onnx.checker.check_model(converted)
    kinds = fused(converted, tmp_path / "fused.onnx")
    assert kinds.count("QLinearConv") == 4 and kinds.count("Conv") + kinds.count("FusedConv") == 1
    for values in (example(), example(6, 3)):
        (exact,), (rounded,) = run(model, values), run(converted, values)
        assert np.abs(exact - rounded).mean() < 0.03 * np.abs(exact).mean()


def test_kernels_are_stored_once_as_integers_of_seven_bits(model: onnx.ModelProto) -> None:
    converted = compute_in_bytes(copy_of(model), ranges_of(model, example()))

    kernels = [tensor for tensor in converted.graph.initializer if len(tensor.dims) == 4]
    whole = [numpy_helper.to_array(tensor) for tensor in kernels if tensor.dims[0] == CHANNELS]
    assert [kernel.dtype for kernel in whole] == [np.int8, np.int8]
    assert all(np.abs(kernel.astype(int)).max() == LARGEST_WEIGHT for kernel in whole)


def test_convolutions_without_ranges_do_not_change(model: onnx.ModelProto) -> None:
    name, limits = next(iter(ranges_of(model, example()).items()))
    assert compute_in_bytes(copy_of(model), {}) == model
    converted = compute_in_bytes(copy_of(model), {name: limits})
    assert len(large_convolutions(converted.graph)) == 4
    assert [node.op_type for node in converted.graph.node].count("QuantizeLinear") == 2


def test_values_beyond_the_ranges_are_clamped(model: onnx.ModelProto) -> None:
    name, limits = next(iter(ranges_of(model, example()).items()))
    narrow = Range(input=limits["input"], output=(0.0, 0.5))
    converted = compute_in_bytes(copy_of(model), {name: narrow})
    node = next(each for each in converted.graph.node if each.name == name)
    shown = shown_output(model.graph, next(each for each in model.graph.node if each.name == name))[0]
    assert node.output[0] == f"{shown}.exact"
    (values,) = run(converted, example(), [shown])
    assert values.min() == 0 and values.max() == pytest.approx(0.5)


def test_channels_without_weights_keep_their_bias_and_ranges_without_width_are_refused(model: onnx.ModelProto) -> None:
    changed = copy_of(model)
    name, limits = next(iter(ranges_of(changed, example()).items()))
    node = next(each for each in changed.graph.node if each.name == name)
    kernel = next(each for each in changed.graph.initializer if each.name == node.input[1])
    values = numpy_helper.to_array(kernel).copy()
    values[0] = 0.0
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))
    shown = shown_output(changed.graph, node)[0]
    (exact,) = run(changed, example(), [shown])
    (rounded,) = run(compute_in_bytes(copy_of(changed), {name: limits}), example(), [shown])
    assert np.abs(exact[:, 0] - rounded[:, 0]).max() < 0.01 * np.abs(exact).max()
    with pytest.raises(ValueError, match=f"the bias of {name} is too large"):
        compute_in_bytes(changed, {name: Range(input=(0.0, 0.0), output=limits["output"])})


def test_ranges_of_other_graphs_are_refused(model: onnx.ModelProto) -> None:
    with pytest.raises(ValueError, match="no large convolution /other/Conv"):
        compute_in_bytes(copy_of(model), {"/other/Conv": Range(input=(0.0, 1.0), output=(0.0, 1.0))})
