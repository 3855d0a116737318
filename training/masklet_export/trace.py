"""A module into an ONNX graph whose weights lie in the pack's weight file.

The exporter of PyTorch would copy all weights into one message, which for SAM 3's image encoder comes near the format's
limit of 2 GB and needs several times that in memory. So it is asked for the graph alone, with the weights as inputs, and
they are attached here.
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
    """→ the graph with the contract's names, and its weights by the name under which the graph reads them."""
    buffer = io.BytesIO()
    module = module.eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(inputs[name] for name in spec.inputs),
            buffer,
            export_params=False,
            # Folding and fusing would make weights that no module has; the runtime does both when it opens the graph.
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
    declare_unread(model, spec, inputs)
    fold_transposes(model, weights)
    hoist_constants(model, weights)
    return model, weights


def declare_unread(model: onnx.ModelProto, spec: GraphSpec, inputs: dict[str, Tensor]) -> None:
    """The exporter drops inputs that no node reads; the contract names them, so they are declared again."""
    present = {value.name for value in model.graph.input}
    for name in spec.inputs:
        if name in present:
            continue
        if name not in spec.unread:
            raise RuntimeError(f"{spec.role}: the traced graph lost its input {name}")
        shape = [spec.axes.get(name, {}).get(axis, size) for axis, size in enumerate(inputs[name].shape)]
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


def fold_transposes(model: onnx.ModelProto, weights: dict[str, np.ndarray]) -> None:
    """A linear layer multiplies by its transposed weight; that is stored transposed, so that nothing is left to do."""
    kept = []
    for node in model.graph.node:
        if node.op_type == "Transpose" and node.input[0] in weights:
            order = helper.get_attribute_value(node.attribute[0])
            weights[node.output[0]] = weights[node.input[0]].transpose(order)
        else:
            kept.append(node)
    replace_nodes(model, kept)
    drop_unread(model.graph, weights)


def hoist_constants(model: onnx.ModelProto, weights: dict[str, np.ndarray]) -> None:
    """Tables that were computed while tracing are nodes; as weights they are shared between the layers that read them."""
    kept = []
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            weights[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        else:
            kept.append(node)
    replace_nodes(model, kept)


def drop_unread(graph: onnx.GraphProto, weights: dict[str, np.ndarray]) -> None:
    read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    for name in [name for name in weights if name not in read]:
        del weights[name]


def attach(model: onnx.ModelProto, weights: dict[str, np.ndarray], store: WeightStore) -> onnx.ModelProto:
    """Gives the graph its weights, by reference where they are large. Changes the model in place."""
    drop_unread(model.graph, weights)
    model.graph.initializer.extend(store.place(name, values) for name, values in weights.items())
    model.producer_name = "masklet"
    return model
