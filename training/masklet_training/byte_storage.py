"""Stores the kernels of convolutions as int8, with one scale per output channel.

The graph multiplies them by the scales when a session loads it. Arithmetic stays in float32, as with `half_storage`, so
the pack is smaller and equally fast. A kernel changes by at most 1/254 of the largest value of its output channel.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST = 16384  # elements; smaller kernels are not converted
LARGEST_BYTE = 127


def store_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replaces the large float32 kernels of all `Conv` nodes. Changes the model in place."""
    graph = model.graph
    kernels = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    restored: list[onnx.NodeProto] = []
    for tensor in list(graph.initializer):
        if tensor.name not in kernels or tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < SMALLEST:
            continue
        name = tensor.name
        scale = np.abs(values).max(axis=(1, 2, 3), keepdims=True).clip(min=1e-12) / LARGEST_BYTE
        tensor.CopyFrom(numpy_helper.from_array(np.round(values / scale).astype(np.int8), f"{name}.bytes"))
        graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"))
        restored += [
            helper.make_node("Cast", [f"{name}.bytes"], [f"{name}.unscaled"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}.unscaled", f"{name}.scale"], [name]),
        ]
    for node in reversed(restored):
        graph.node.insert(0, node)
    return model
