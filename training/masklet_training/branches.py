"""Parts of a graph that run only when they are needed, as branches of `If` nodes.

A part is a submodule of the traced module: the names of its nodes start with the submodule's name. Its condition is the
output of another submodule. Where the condition is false, the outputs of the part are zero.

Branches also make a graph quicker to open: the time that ONNX Runtime takes to plan the memory of a graph of 2,000 nodes is
several times that of two graphs of 1,000.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper


def add_branch(model: onnx.ModelProto, part: str, condition: str, inputs: dict[str, np.ndarray], rows: str | None) -> None:
    """Moves a part of a graph into a branch. Changes the model in place.

    :param part: scope of the part, such as "/drawn/"
    :param condition: scope of the module that has the condition, a `Needed`
    :param inputs: example inputs, for which the sizes of the part's outputs are measured
    :param rows: input whose first axis is the first axis of all outputs of the part; None for a part of a part with the same
        condition, which always runs with it
    """
    graph = model.graph
    inside, outside = divide_nodes(graph, part)
    needed = {name for node in outside for name in uses(node)} | {value.name for value in graph.output}
    results = [name for node in inside for name in node.output if name in needed]
    flag = next(node.output[0] for node in outside if node.name.startswith(condition) and node.op_type == "ReduceMax")
    shapes, kinds = measure(model, results, inputs)
    if rows and any(shape[:1] != [len(inputs[rows])] for shape in shapes.values()):
        raise ValueError(f"outputs of a part must have {len(inputs[rows])} rows, as {rows} has")
    own, kept = divide_initializers(graph, inside, outside)
    then = helper.make_graph(inside, f"{part}then", [], [info(name, kinds[name]) for name in results], own)
    blank = [node for name in results for node in (zeros(name, shapes[name], kinds[name], rows) if rows else [empty(name, kinds[name])])]
    otherwise = helper.make_graph(blank, f"{part}else", [], [info(f"{name}.zero", kinds[name]) for name in results])
    choice = helper.make_node("If", [f"{part}bool"], results, name=f"{part}If", then_branch=then, else_branch=otherwise)
    cast = helper.make_node("Cast", [flag], [f"{part}flat"], name=f"{part}Cast", to=TensorProto.BOOL)
    shape = helper.make_node("Squeeze", [f"{part}flat"], [f"{part}bool"], name=f"{part}Squeeze")
    ordered = in_order([*outside, cast, shape, choice], graph, kept)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(ordered)
    graph.initializer.extend(kept)


def divide_nodes(graph: onnx.GraphProto, part: str) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """The nodes of a part, with those that compute its weights, and the others"""
    inside = [node for node in graph.node if node.name.startswith(part)]
    if not inside:
        raise ValueError(f"the graph has no part {part}")
    outside = [node for node in graph.node if not node.name.startswith(part)]
    stored = {tensor.name for tensor in graph.initializer}
    beyond = {name for node in outside for name in uses(node)} | {value.name for value in graph.output}
    # Constants may be those of several modules.
    outside = [*(node for node in inside if node.op_type == "Constant" and node.output[0] in beyond), *outside]
    inside = [node for node in inside if node.op_type != "Constant" or node.output[0] not in beyond]
    # Nodes that restore weights from `byte_storage` and `half_storage` have no name, and the exporter names loops without their module.
    while True:
        within = {name for node in inside for name in uses(node)}
        counts = Counter(name for node in outside for name in uses(node))
        computed = {name for node in graph.node for name in node.output}
        moved = [
            node
            for node in outside
            if node.output[0] in within
            and counts[node.output[0]] == 0
            and "/" not in node.name
            and all(x in stored or x in computed for x in node.input)
        ]
        if not moved:
            break
        inside = [*moved, *inside]
        outside = [node for node in outside if not any(node is other for other in moved)]
    return [node for node in graph.node if any(node is other for other in inside)], outside


def uses(node: onnx.NodeProto) -> list[str]:
    """Inputs of a node, those of its branches included"""
    names = list(node.input)
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            made = {name for each in attribute.g.node for name in each.output}
            made |= {each.name for each in (*attribute.g.input, *attribute.g.initializer)}
            names += [name for each in attribute.g.node for name in uses(each) if name not in made]
            names += [value.name for value in attribute.g.output if value.name not in made]
    return names


def measure(model: onnx.ModelProto, names: Sequence[str], inputs: dict[str, np.ndarray]) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Sizes and types of tensors inside a graph"""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    listed = {value.name for value in probe.graph.output}
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in listed)
    session = ort.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    asked = {value.name for value in session.get_inputs()}
    values = session.run(list(names), {name: value for name, value in inputs.items() if name in asked})
    return (
        {name: list(value.shape) for name, value in zip(names, values, strict=True)},
        {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in zip(names, values, strict=True)},
    )


def divide_initializers(
    graph: onnx.GraphProto, inside: Sequence[onnx.NodeProto], outside: Sequence[onnx.NodeProto]
) -> tuple[list[onnx.TensorProto], list[onnx.TensorProto]]:
    """Those of the part alone, and the others"""
    within = {name for node in inside for name in uses(node)}
    beyond = {name for node in outside for name in uses(node)}
    own = [tensor for tensor in graph.initializer if tensor.name in within and tensor.name not in beyond]
    names = {tensor.name for tensor in own}
    return own, [tensor for tensor in graph.initializer if tensor.name not in names]


def zeros(name: str, sizes: Sequence[int], kind: int, rows: str) -> list[onnx.NodeProto]:
    """Nodes for a tensor of zeros of the given sizes, but with as many rows as an input"""
    constant = numpy_helper.from_array(np.array(sizes[1:], np.int64), f"{name}.sizes")
    value = helper.make_tensor("value", kind, [1], [0])
    return [
        helper.make_node("Shape", [rows], [f"{name}.rows"], start=0, end=1),
        helper.make_node("Constant", [], [f"{name}.rest"], value=constant),
        helper.make_node("Concat", [f"{name}.rows", f"{name}.rest"], [f"{name}.shape"], axis=0),
        helper.make_node("ConstantOfShape", [f"{name}.shape"], [f"{name}.zero"], value=value),
    ]


def empty(name: str, kind: int) -> onnx.NodeProto:
    """A node for a tensor without values"""
    return helper.make_node("Constant", [], [f"{name}.zero"], value=helper.make_tensor("value", kind, [0], []))


def info(name: str, kind: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, None)


def in_order(nodes: Sequence[onnx.NodeProto], graph: onnx.GraphProto, initializers: Sequence[onnx.TensorProto]) -> list[onnx.NodeProto]:
    """Nodes after those whose outputs they use"""
    ready = {value.name for value in graph.input} | {tensor.name for tensor in initializers} | {""}
    waiting, ordered = list(nodes), []
    while waiting:
        now = [node for node in waiting if all(name in ready for name in uses(node))]
        if not now:
            raise ValueError(f"the part's condition depends on the part, see {waiting[0].name}")
        ordered += now
        ready |= {name for node in now for name in node.output}
        waiting = [node for node in waiting if not any(node is other for other in now)]
    return ordered
