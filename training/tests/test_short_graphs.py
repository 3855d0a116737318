"""Shortened graphs compute the same, with fewer nodes and short names."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from masklet_training.short_graphs import shorten


def constant(name: str, value: float) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array([value], np.float32)))


def branching_graph() -> ModelProto:
    """(x + 2) · 2 if the flag is set, otherwise 7; the name `v0` is that of an input"""
    number = helper.make_tensor_value_info("/a/long/path/chosen", TensorProto.FLOAT, [1])
    then = [constant("/a/long/path/two", 2.0), helper.make_node("Mul", ["/a/long/path/sum", "/a/long/path/two"], ["/a/long/path/chosen"])]
    otherwise = [constant("/a/long/path/chosen", 7.0)]
    nodes = [
        constant("/a/long/path/Constant_output_0", 2.0),
        constant("/a/long/path/Constant_1_output_0", 2.0),
        helper.make_node("Add", ["v0", "/a/long/path/Constant_1_output_0"], ["/a/long/path/sum"], name="/a/long/path/Add"),
        helper.make_node("Sub", ["/a/long/path/sum", "/a/long/path/Constant_output_0"], ["again"]),
        helper.make_node(
            "If",
            ["flag"],
            ["result"],
            then_branch=helper.make_graph(then, "then", [], [number]),
            else_branch=helper.make_graph(otherwise, "else", [], [number]),
        ),
    ]
    inputs = [helper.make_tensor_value_info("v0", TensorProto.FLOAT, [1]), helper.make_tensor_value_info("flag", TensorProto.BOOL, [])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("result", "again")]
    return helper.make_model(helper.make_graph(nodes, "graph", inputs, outputs), opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("flag", [True, False])
def test_shortened_graphs_compute_the_same(flag: bool) -> None:
    model = shorten(branching_graph())
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    result, again = session.run(["result", "again"], {"v0": np.array([3.0], np.float32), "flag": np.array(flag)})
    assert result.tolist() == [10.0 if flag else 7.0]
    assert again.tolist() == [3.0]


def test_equal_constants_are_stored_once_and_long_names_go() -> None:
    graph = shorten(branching_graph()).graph
    assert [node.op_type for node in graph.node] == ["Add", "Sub", "If"]
    assert len(graph.initializer) == 1
    assert b"/a/long/path/chosen" not in graph.SerializeToString() and graph.node[0].name == "/a/long/path/Add"
    assert [value.name for value in (*graph.input, *graph.output)] == ["v0", "flag", "result", "again"]
