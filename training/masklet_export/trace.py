"""Traces a module to an ONNX graph with its weights in the pack's weight file.

PyTorch's exporter would copy all weights into one message. For SAM 3's image encoder, that is close to the format's
limit of 2 GB and needs several times that amount of memory. The exporter therefore traces the graph alone, with the
weights as inputs, and the weights are attached here.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from .attention import fuse_attention, replace_nodes
from .spec import GraphSpec
from .weights import WeightStore

OPSET = 18


def trace(module: nn.Module, spec: GraphSpec, inputs: dict[str, Tensor]) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """:return: the graph with the contract's names, and its weights by their names in the graph"""
    buffer = io.BytesIO()
    module = module.eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(inputs[name] for name in spec.inputs),
            buffer,
            export_params=False,
            # Folding and fusing would create weights that no module has; the runtime does both when it opens the
            # graph.
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            input_names=list(spec.inputs),
            output_names=list(spec.outputs),
            dynamic_axes=spec.axes,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    state = module.state_dict(keep_vars=True) | dict(module.named_buffers())
    weights = {}
    for value in list(model.graph.input):
        if value.name not in spec.inputs:
            weights[value.name] = state[value.name].detach().cpu().numpy()
            model.graph.input.remove(value)
    fuse_attention(model)
    declare_unused(model, spec, inputs)
    fold_transposes(model, weights)
    hoist_constants(model, weights)
    return model, weights


def declare_unused(model: onnx.ModelProto, spec: GraphSpec, inputs: dict[str, Tensor]) -> None:
    """Declares the contract's inputs that no node reads, which the exporter drops."""
    present = {value.name for value in model.graph.input}
    for name in spec.inputs:
        if name in present:
            continue
        if name not in spec.unused:
            raise RuntimeError(f"{spec.role}: the traced graph lost its input {name}")
        shape = [spec.axes.get(name, {}).get(axis, size) for axis, size in enumerate(inputs[name].shape)]
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


def fold_transposes(model: onnx.ModelProto, weights: dict[str, np.ndarray]) -> None:
    """Stores the weights of linear layers transposed, so that the graph needs no Transpose."""
    kept = []
    for node in model.graph.node:
        if node.op_type == "Transpose" and node.input[0] in weights:
            order = helper.get_attribute_value(node.attribute[0])
            weights[node.output[0]] = weights[node.input[0]].transpose(order)
        else:
            kept.append(node)
    replace_nodes(model, kept)
    drop_unused(model.graph, weights)


def hoist_constants(model: onnx.ModelProto, weights: dict[str, np.ndarray]) -> None:
    """Converts constant nodes (tables computed while tracing) to weights, which layers share."""
    kept = []
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            weights[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        else:
            kept.append(node)
    replace_nodes(model, kept)


def drop_unused(graph: onnx.GraphProto, weights: dict[str, np.ndarray]) -> None:
    read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    for name in [name for name in weights if name not in read]:
        del weights[name]


def attach(model: onnx.ModelProto, weights: dict[str, np.ndarray], store: WeightStore) -> onnx.ModelProto:
    """Attaches the weights to the graph, by reference where they are large. Changes the model in place."""
    drop_unused(model.graph, weights)
    model.graph.initializer.extend(store.place(name, values) for name, values in weights.items())
    model.producer_name = "masklet"
    return model
