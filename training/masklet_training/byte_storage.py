"""Stores the kernels of convolutions and the weights of linear layers as int8, with one scale per output channel.

The graph multiplies them by the scales when a session loads it. Arithmetic stays in float32, as with `half_storage`, so
the pack is smaller and equally fast. A weight changes by at most 1/254 of the largest one of its output channel.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST = 8192  # elements; smaller tensors are not converted
LARGEST_BYTE = 127


def store_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replaces the large float32 weights of all `Conv`, `Gemm` and `MatMul` nodes. Changes the model in place."""
    graph = model.graph
    axes = {node.input[1]: output_axis(node) for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")}
    restored: list[onnx.NodeProto] = []
    for tensor in list(graph.initializer):
        if tensor.name not in axes or tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < SMALLEST:
            continue
        name = tensor.name
        others = tuple(axis for axis in range(values.ndim) if axis != axes[name] % values.ndim)
        scale = np.abs(values).max(axis=others, keepdims=True).clip(min=1e-12) / LARGEST_BYTE
        tensor.CopyFrom(numpy_helper.from_array(np.round(values / scale).astype(np.int8), f"{name}.bytes"))
        graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"))
        restored += [
            helper.make_node("Cast", [f"{name}.bytes"], [f"{name}.unscaled"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}.unscaled", f"{name}.scale"], [name]),
        ]
    for node in reversed(restored):
        graph.node.insert(0, node)
    return model


def output_axis(node: onnx.NodeProto) -> int:
    """The axis of a node's weights that belongs to its output channels"""
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return 0 if node.op_type == "Conv" or transposed else -1
