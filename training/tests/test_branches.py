"""Parts of a graph that run only when they are needed, and tables that are stored as bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from masklet_training.bit_storage import store_bits, store_sums
from masklet_training.branches import add_branch
from masklet_training.byte_storage import store_bytes
from masklet_training.model.needed import Needed


class Chosen(nn.Module):
    """Its output has a row only for each positive number."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.table(x[torch.nonzero(x[:, 0] > 0)[:, 0]])


def halved(x: Tensor) -> Tensor:
    while bool((x.abs() > 1.0).any()):
        x = x * 0.5
    return x


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Linear(96, 96)
        self.part, self.part_needed = nn.Linear(96, 3), Needed()
        self.chosen = Chosen()

    def forward(self, x: Tensor, flags: Tensor) -> Tensor:
        x = self.table(x)
        limited = (torch.jit.script(halved) if torch.jit.is_tracing() else halved)(x * 8.0)
        sums = self.chosen(x[:, :3]).sum(0, keepdim=True)
        return x[:, :3] + limited[:, :3] + sums + self.part(x) * self.part_needed(flags * (x[:, :1] > 0).float())


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.work, self.work_needed = Inner(), Needed()

    def forward(self, x: Tensor, flags: Tensor) -> Tensor:
        needed = self.work_needed(flags)
        return self.work(x, needed) * needed


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, onnx.ModelProto]:
    torch.manual_seed(1)
    network, path = Outer().eval(), tmp_path_factory.mktemp("graph") / "outer.onnx"
    example = {"x": torch.randn(2, 96), "flags": torch.ones(2, 1)}
    axes = {name: {0: "C"} for name in ("x", "flags", "y")}
    torch.onnx.export(
        network,
        tuple(example.values()),
        str(path),
        input_names=[*example],
        output_names=["y"],
        dynamic_axes=axes,
        opset_version=18,
        dynamo=False,
    )
    graph = store_bytes(onnx.load(path))
    inputs = {name: value.numpy() for name, value in example.items()}
    add_branch(graph, "/work/part/", "/work/part_needed/", inputs, "x")
    add_branch(graph, "/work/chosen/", "/work_needed/", inputs, None)
    add_branch(graph, "/work/", "/work_needed/", inputs, "x")
    onnx.checker.check_model(graph)
    return network, graph


@pytest.mark.parametrize("flags", [[0.0], [1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
def test_a_part_runs_for_those_that_need_it(model: tuple[nn.Module, onnx.ModelProto], flags: list[float]) -> None:
    network, graph = model
    torch.manual_seed(len(flags))
    x, flag = torch.randn(len(flags), 96), torch.tensor(flags).unsqueeze(1)
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"x": x.numpy(), "flags": flag.numpy()})
    with torch.no_grad():
        assert np.abs(got - network(x, flag).numpy()).max() < 0.02  # weights are stored as bytes


def test_the_weights_of_a_part_belong_to_its_branch(model: tuple[nn.Module, onnx.ModelProto]) -> None:
    _, graph = model
    (choice,) = (node for node in graph.graph.node if node.op_type == "If")
    branches = {attribute.name: attribute.g for attribute in choice.attribute}
    assert sum(np.prod(tensor.dims) for tensor in branches["then_branch"].initializer) >= 96 * 96
    assert not any(np.prod(tensor.dims) > 96 for tensor in graph.graph.initializer)
    kinds = [node.op_type for node in branches["then_branch"].node]
    assert kinds.count("If") == 2 and kinds.count("Loop") == 1


def test_a_part_that_does_not_exist_is_named(model: tuple[nn.Module, onnx.ModelProto]) -> None:
    with pytest.raises(ValueError, match="the graph has no part /play/"):
        add_branch(model[1], "/play/", "/play_needed/", {}, "x")


def test_flags_are_stored_as_bits(tmp_path: Path) -> None:
    flags = np.random.default_rng(1).random((301, 299)) > 0.5
    graph = helper.make_graph(
        [helper.make_node("Gather", ["flags", "row"], ["out"])],
        "table",
        [helper.make_tensor_value_info("row", TensorProto.INT64, [2])],
        [helper.make_tensor_value_info("out", TensorProto.BOOL, [2, 299])],
        [numpy_helper.from_array(flags, "flags")],
    )
    model = store_bits(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9))
    onnx.checker.check_model(model)
    assert len(model.SerializeToString()) < flags.size / 7
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert (session.run(None, {"row": np.array([0, 300])})[0] == flags[[0, 300]]).all()


def test_sums_of_constants_are_stored_as_results() -> None:
    values = np.random.default_rng(1).normal(size=(50, 40)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["values", "axes"], ["sums"], keepdims=0), helper.make_node("Add", ["x", "sums"], ["y"])],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [50])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [50])],
        [numpy_helper.from_array(values, "values"), numpy_helper.from_array(np.array([1]), "axes")],
    )
    model = store_sums(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9))
    assert {tensor.name for tensor in model.graph.initializer} == {"sums"}
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.allclose(session.run(None, {"x": np.zeros(50, np.float32)})[0], values.sum(1), atol=1e-5)
