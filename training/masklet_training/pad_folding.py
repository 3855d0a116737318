"""Moves the padding in front of a convolution into the convolution, which then needs no copy of its input."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from .graph_constants import constant_reader, names_read


def fold_pads(model: onnx.ModelProto) -> onnx.ModelProto:
    """Removes `Pad` nodes that add zeros to the last two axes of an input of convolutions. Changes the model in place.

    PyTorch's convolutions take the same padding on both sides, and those of pretrained networks with stride 2 have none on one
    side. ONNX Runtime does not merge the nodes when its blocked layout lies between them.
    """
    graph = model.graph
    constant = constant_reader(graph)
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        readers = [node for node in graph.node if pad.output[0] in node.input]
        sides = constant(pad.input[1])
        filling = constant(pad.input[2]) if len(pad.input) > 2 and pad.input[2] else np.zeros(1)
        zeros = filling is not None and not filling.any()
        plain = all(helper.get_attribute_value(each) == b"constant" for each in pad.attribute if each.name == "mode")
        if not (plain and zeros and sides is not None and len(sides) == 8 and not sides[[0, 1, 4, 5]].any()):
            continue
        if any(node.op_type != "Conv" or node.input[0] != pad.output[0] for node in readers):
            continue
        for convolution in readers:
            before = next((each for each in convolution.attribute if each.name == "pads"), None)
            inner = np.array(before.ints if before else [0, 0, 0, 0])
            if before:
                convolution.attribute.remove(before)
            convolution.attribute.append(helper.make_attribute("pads", [int(x) for x in inner + sides[[2, 3, 6, 7]]]))
            convolution.input[0] = pad.input[0]
        graph.node.remove(pad)
    return remove_unread(model)


def remove_unread(model: onnx.ModelProto) -> onnx.ModelProto:
    """Removes nodes whose results nothing reads. Changes the model in place."""
    graph = model.graph
    while True:
        read = names_read(graph)
        unread = [node for node in graph.node if not read.intersection(node.output)]
        if not unread:
            return model
        for node in unread:
            graph.node.remove(node)
