"""Values of a graph that depend on none of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator


def constant_reader(graph: onnx.GraphProto) -> Callable[[str], np.ndarray | None]:
    """Returns a function from the name of a value to the value, or None if it depends on an input. The graph must not change."""
    producers = {name: node for node in graph.node for name in node.output}
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}

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
        return ReferenceEvaluator(node).run(None, values)[0]

    return constant
