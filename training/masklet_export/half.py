"""Converts a graph to float16. Its inputs and outputs stay float32, so the server feeds it like any other graph.

Weights are rounded after constant expressions have been evaluated in float32. Operators that lose too much accuracy
in float16, or that the runtime supports in float32 only, keep float32 between two casts.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from .attention import replace_nodes

LARGEST = float(np.finfo(np.float16).max)
# Sums over many values, exponentials, and coordinates.
FULL = frozenset(
    {
        "LayerNormalization", "InstanceNormalization", "GroupNormalization", "Softmax", "ReduceSum", "ReduceMean", "Sin",
        "Cos", "Log", "Exp", "Pow", "Resize", "RoiAlign", "TopK", "Sigmoid", "Range", "CumSum",
    }
)  # fmt: skip


def to_half(model: onnx.ModelProto, weights: dict[str, np.ndarray]) -> None:
    """Changes the graph and its weights in place."""
    graph = model.graph
    floats = float_tensors(graph, weights)
    for name, values in weights.items():
        if values.dtype == np.float32:
            weights[name] = np.clip(values, -LARGEST, LARGEST).astype(np.float16)

    nodes: list[onnx.NodeProto] = []
    boundary = {value.name for value in graph.input if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    halves: dict[str, str] = {}

    def cast(name: str, result: str, to: int) -> None:
        nodes.append(helper.make_node("Cast", [name], [result], name=f"{name} to {result}", to=to))

    for name in sorted(boundary):
        halves[name] = f"{name}/half"
        cast(name, halves[name], TensorProto.FLOAT16)
    results = {value.name for value in graph.output if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    for node in graph.node:
        node.input[:] = [halves.get(name, name) for name in node.input]
        if node.op_type in FULL:
            for index, name in enumerate(node.input):
                if name in floats or name in halves.values():
                    full = f"{node.name or node.output[0]}/in{index}"
                    cast(name, full, TensorProto.FLOAT)
                    node.input[index] = full
            made = [(index, name) for index, name in enumerate(node.output) if name in floats]
            for index, name in made:
                node.output[index] = f"{name}/full"
            nodes.append(node)
            for index, name in made:
                cast(f"{name}/full", name, TensorProto.FLOAT16)
            continue
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
            if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == TensorProto.FLOAT:
                values = onnx.numpy_helper.to_array(attribute.t)
                half = np.clip(values, -LARGEST, LARGEST).astype(np.float16)
                attribute.t.CopyFrom(onnx.numpy_helper.from_array(half, attribute.t.name))
        nodes.append(node)
    renamed = {name: f"{name}/half" for name in results}
    for node in nodes:
        node.output[:] = [renamed.get(name, name) for name in node.output]
        node.input[:] = [renamed.get(name, name) for name in node.input]
    for name in sorted(results):
        cast(renamed[name], name, TensorProto.FLOAT)
    replace_nodes(model, nodes)
    del graph.value_info[:]


def float_tensors(graph: onnx.GraphProto, weights: dict[str, np.ndarray]) -> set[str]:
    """Names of the tensors that are float32 in the traced graph"""
    bare = onnx.ModelProto(ir_version=9)
    bare.graph.CopyFrom(graph)
    bare.opset_import.append(helper.make_opsetid("", 18))
    bare.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    for name, values in weights.items():
        kind = helper.np_dtype_to_tensor_dtype(values.dtype)
        bare.graph.input.append(helper.make_tensor_value_info(name, kind, values.shape))
    inferred = onnx.shape_inference.infer_shapes(bare).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.input, *inferred.output)}
    # Shape inference stops after an ONNX Runtime operator; from there on, types are derived from the operators.
    for node in graph.node:
        for name in node.output:
            if name not in types or types[name] == TensorProto.UNDEFINED:
                types[name] = result_type(node, types)
    return {name for name, kind in types.items() if kind == TensorProto.FLOAT}


def result_type(node: onnx.NodeProto, types: dict[str, int]) -> int:
    match node.op_type:
        case "Shape" | "ArgMax" | "Size" | "NonZero":
            return TensorProto.INT64
        case "Cast":
            return next(attribute.i for attribute in node.attribute if attribute.name == "to")
        case "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Equal" | "And" | "Or" | "Not":
            return TensorProto.BOOL
        case "ConstantOfShape" | "Constant":
            tensors = [attribute.t for attribute in node.attribute if attribute.name == "value"]
            return tensors[0].data_type if tensors else TensorProto.FLOAT
        case "Where":
            return types.get(node.input[1], TensorProto.FLOAT)
        case _:
            return types.get(node.input[0], TensorProto.FLOAT)
