"""Stores large tables of flags as bits, and sums of constants as their results.

The exporter writes one byte per flag, and leaves the sum over a constant in the graph together with the whole constant. The
nodes that restore the flags run when a session loads the graph.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST = 65536  # flags; smaller tables are not converted
BITS = 8


def store_bits(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replaces the large tables of flags. Changes the model in place."""
    graph = model.graph
    restored: list[onnx.NodeProto] = []
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.BOOL or np.prod(tensor.dims) < SMALLEST:
            continue
        name = tensor.name
        flags = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(np.packbits(flags.flatten(), bitorder="little")[:, None], f"{name}.bits"))
        constants = {
            "powers": (2.0 ** np.arange(BITS, dtype=np.float32))[None],
            "two": np.array(2.0, np.float32),
            "flat": np.array([-1], np.int64),
            "start": np.array([0], np.int64),
            "count": np.array([flags.size], np.int64),
            "shape": np.array(flags.shape, np.int64),
        }
        graph.initializer.extend(numpy_helper.from_array(value, f"{name}.{key}") for key, value in constants.items())
        node = helper.make_node
        restored += [
            node("Cast", [f"{name}.bits"], [f"{name}.numbers"], to=TensorProto.FLOAT),
            node("Div", [f"{name}.numbers", f"{name}.powers"], [f"{name}.shifted"]),
            node("Floor", [f"{name}.shifted"], [f"{name}.whole"]),
            node("Mod", [f"{name}.whole", f"{name}.two"], [f"{name}.bit"], fmod=1),
            node("Reshape", [f"{name}.bit", f"{name}.flat"], [f"{name}.line"]),
            node("Slice", [f"{name}.line", f"{name}.start", f"{name}.count"], [f"{name}.used"]),
            node("Reshape", [f"{name}.used", f"{name}.shape"], [f"{name}.table"]),
            node("Cast", [f"{name}.table"], [name], to=TensorProto.BOOL),
        ]
    for each in reversed(restored):
        graph.node.insert(0, each)
    return model


def store_sums(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replaces sums over constants by their results. Changes the model in place."""
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    stored |= {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    for node in [node for node in graph.node if node.op_type == "ReduceSum" and all(name in stored for name in node.input)]:
        values, axes = (numpy_helper.to_array(stored[name]) for name in node.input)
        keep = next((attribute.i for attribute in node.attribute if attribute.name == "keepdims"), 1)
        total = values.sum(axis=tuple(axes.tolist()), keepdims=bool(keep), dtype=values.dtype)
        graph.initializer.append(numpy_helper.from_array(total, node.output[0]))
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
    return model
