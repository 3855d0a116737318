"""Which values of a graph depend on none of its inputs, and which are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from .branches import uses


def constant_reader(graph: onnx.GraphProto) -> Callable[[str], np.ndarray | None]:
    """Returns a function from the name of a value to the value, or None if it depends on an input, on a random number or on a branch.
    The function describes the graph as it is now, also after later changes.
    """
    producers = {name: node for node in graph.node for name in node.output if is_plain(node)}
    inputs = {value.name for value in graph.input}  # which a caller may set, also where the graph stores a default
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.name not in inputs}

    @cache
    def constant(name: str) -> np.ndarray | None:
        if name in stored:
            return stored[name]
        node = producers.get(name)
        if node is None:
            return None
        values = {each: constant(each) for each in node.input if each}
        if any(value is None for value in values.values()):
            return None
        return ReferenceEvaluator(node).run(None, values)[list(node.output).index(name)]

    return constant


def is_plain(node: onnx.NodeProto) -> bool:
    """Whether the results of a node depend on its inputs alone, and it contains no other graph"""
    return not node.op_type.startswith("Random") and not any(each.type == onnx.AttributeProto.GRAPH for each in node.attribute)


def names_read(graph: onnx.GraphProto) -> set[str]:
    """Names of the values that the nodes of a graph read, those inside branches included, and of its outputs"""
    return {value.name for value in graph.output} | {name for node in graph.node for name in uses(node)}


def remove_unread_constants(graph: onnx.GraphProto) -> None:
    """Removes stored values that nothing reads. Changes the graph in place."""
    read = names_read(graph)
    for tensor in [each for each in graph.initializer if each.name not in read]:
        graph.initializer.remove(tensor)
