"""Makes a graph quicker to open: fewer nodes, and short names.

The exporter writes a node for every use of a constant, and the path of its module into the name of every value. ONNX Runtime
compares and hashes these names many times while it opens a graph. The names of nodes remain, for its messages and profiles.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto


def shorten(model: ModelProto) -> ModelProto:
    """Stores constants as initializers, equal ones once, and shortens the names of all values except the inputs and outputs of
    the graph. Changes the model in place.
    """
    store_constants(model.graph)
    kept = {value.name for value in (*model.graph.input, *model.graph.output)}
    numbers = count()
    names = {"": ""} | {name: name for name in kept}

    def short(name: str) -> str:
        if name not in names:
            names[name] = next(f"v{number}" for number in numbers if f"v{number}" not in kept)
        return names[name]

    rename(model.graph, short)
    return model


def branches(node: NodeProto) -> list[GraphProto]:
    return [attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH]


def store_constants(graph: GraphProto) -> None:
    """Replaces the `Constant` nodes of a graph and of its branches. Equal constants of one graph are stored once."""
    results = {value.name for value in graph.output}
    stored: dict[bytes, str] = {}
    same: dict[str, str] = {}
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        value = node.attribute[0].t if node.op_type == "Constant" and node.attribute[0].name == "value" else None
        if value is None or node.output[0] in results:
            graph.node.append(node)
            continue
        tensor = TensorProto()
        tensor.CopyFrom(value)
        tensor.name = ""
        content = tensor.SerializeToString(deterministic=True)
        if content in stored:
            same[node.output[0]] = stored[content]
            continue
        stored[content] = tensor.name = node.output[0]
        graph.initializer.append(tensor)
    read_instead(graph, same)
    for node in graph.node:
        for branch in branches(node):
            store_constants(branch)


def read_instead(graph: GraphProto, same: dict[str, str]) -> None:
    """Lets the nodes of a graph and of its branches read other values: old name → new name."""
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        for branch in branches(node):
            read_instead(branch, same)


def rename(graph: GraphProto, short: Callable[[str], str]) -> None:
    """Renames the values of a graph and of its branches. Names are unique in all of them together."""
    del graph.value_info[:]
    for value in (*graph.initializer, *graph.input, *graph.output):
        value.name = short(value.name)
    for node in graph.node:
        node.input[:] = [short(name) for name in node.input]
        node.output[:] = [short(name) for name in node.output]
        for branch in branches(node):
            rename(branch, short)
