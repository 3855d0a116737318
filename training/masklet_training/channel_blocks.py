"""Gives convolutions a form that ONNX Runtime computes in its blocked layout, which takes about half the time.

A condition of the runtime (`microsoft/onnxruntime:onnxruntime/core/optimizer/nchwc_transformer.cc`): the number of input channels is
below 16 or a multiple of 4.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .branches import uses
from .graph_constants import remove_unread_constants
from .pad_folding import remove_unread

ALIGNMENT = 4  # input channels of a blocked convolution
SMALLEST_BLOCK = 16  # fewer input channels need no alignment


def block_channels(model: onnx.ModelProto) -> onnx.ModelProto:
    """Repeats channels of inputs that are put together, with weights of zero. Changes the model in place; its results are the same
    up to rounding.
    """
    align_inputs(model)
    remove_unread(model)
    remove_unread_constants(model.graph)
    return model


def align_inputs(model: onnx.ModelProto) -> None:
    """Adds channels to `Concat` nodes of which all readers are convolutions of all channels, until their number is a multiple of
    `ALIGNMENT`.
    """
    graph = model.graph
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {value.name: value.type.tensor_type.shape.dim for value in (*inferred.value_info, *inferred.input)}
    known = {name: shape[1].dim_value for name, shape in shapes.items() if len(shape) > 1}
    inputs = {value.name for value in graph.input}
    kernels = {tensor.name: tensor for tensor in graph.initializer if tensor.name not in inputs}
    for concat in [node for node in graph.node if node.op_type == "Concat" and node.attribute[0].i == 1]:
        readers = [node for node in graph.node if concat.output[0] in uses(node)]
        is_result = any(value.name == concat.output[0] for value in graph.output)
        if is_result or not readers or not all(reads_all(node, concat.output[0], kernels) for node in readers):
            continue
        channels = kernels[readers[0].input[1]].dims[1]
        missing = -channels % ALIGNMENT
        repeated = next((name for name in concat.input if known.get(name, 0) >= missing), None)
        if channels < SMALLEST_BLOCK or missing == 0 or repeated is None:
            continue
        name = f"{concat.output[0]}.repeated"
        bounds = [
            numpy_helper.from_array(np.array([each]), f"{name}.{part}") for part, each in zip(("from", "to", "axis"), (0, missing, 1))
        ]
        graph.initializer.extend(bounds)
        at = list(graph.node).index(concat)
        graph.node.insert(at, helper.make_node("Slice", [repeated, *(each.name for each in bounds)], [name], name=name))
        concat.input.append(name)
        for node in readers:
            wider = f"{node.input[1]}.wider"
            if wider not in kernels:
                kernel = numpy_helper.to_array(kernels[node.input[1]])
                zeros = np.zeros((len(kernel), missing, *kernel.shape[2:]), kernel.dtype)
                kernels[wider] = numpy_helper.from_array(np.concatenate([kernel, zeros], 1), wider)
                graph.initializer.append(kernels[wider])
            node.input[1] = wider


def reads_all(node: onnx.NodeProto, name: str, kernels: dict[str, onnx.TensorProto]) -> bool:
    """Whether a node is a convolution with a stored kernel that reads all channels of a value"""
    groups = next((each.i for each in node.attribute if each.name == "group"), 1)
    return node.op_type == "Conv" and groups == 1 and node.input[0] == name and node.input[1] in kernels
