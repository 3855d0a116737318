"""Stores large weights as float16. Casts restore float32 when a session loads the graph.

Arithmetic stays in float32. ONNX Runtime folds the casts at load time, so they cost nothing per frame and halve the
size of the pack on disk.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST = 2048  # elements; smaller tensors are not converted


def store_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replaces every large float32 initializer with a float16 one and a cast. Changes the model in place."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < SMALLEST or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        full_name, stored = tensor.name, f"{tensor.name}.half"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [full_name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
    return model
