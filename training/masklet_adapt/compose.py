"""Builds a graph from operators and published graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

from .published import AdaptError, Published

# Scan loops over objects or concepts; its form has not changed since opset 11.
LOWEST_OPSET = 17
IR_VERSION = 9

Shape = tuple[int | str, ...]


class Composer:
    """Collects nodes. `finish` creates a model from those that its outputs need."""

    def __init__(self, name: str, opset: int = LOWEST_OPSET, root: Composer | None = None) -> None:
        self.name, self.opset = name, opset
        self.root = root or self
        self.nodes: list[onnx.NodeProto] = []
        if root is None:
            self.weights: list[TensorProto] = []
            self.domains: dict[str, int] = {}
            self.count = 0

    def fresh(self, stem: str) -> str:
        self.root.count += 1
        return f"{stem}_{self.root.count}"

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds one operator with one output."""
        return self.ops(kind, *inputs, outputs=1, **attributes)[0]

    def ops(self, kind: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        names = [self.fresh(kind) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = self.fresh("constant")
        self.root.weights.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(list(values), np.int64)

    def reshape(self, value: str, *shape: int) -> str:
        """Reshapes a value: 0 keeps an axis, -1 is inferred. Not for values that may be empty."""
        return self.op("Reshape", value, self.ints(*shape))

    def without(self, value: str, *axes: int) -> str:
        """Removes axes of length 1.

        Uses a sum, because onnxruntime 1.30 cannot open inner graphs with two consecutive shape changes.
        """
        return self.op("ReduceSum", value, self.ints(*axes), keepdims=0) if axes else value

    def embed(self, published: Published, inputs: dict[str, str]) -> dict[str, str]:
        """Inserts a published graph into this one.

        :param inputs: their input names → values here
        :return: their output names → values here
        """
        prefix = f"{self.fresh(published.path.stem)}/"
        model = onnx.ModelProto()
        model.CopyFrom(published.model)
        if published.opset != self.opset:
            # The converter supports only one direction for every operator: to newer versions.
            model = version_converter.convert_version(model, self.opset)
        for entry in model.opset_import:
            if entry.domain in ("", "ai.onnx"):
                continue
            if self.root.domains.setdefault(entry.domain, entry.version) != entry.version:
                found, other = f"{entry.domain} {entry.version}", self.root.domains[entry.domain]
                raise AdaptError(f"{published.path.name}: requires {found}, but another graph requires version {other}.")
        names = {value.name for value in model.graph.output}
        prefix_names(model.graph, prefix)
        given = {tensor.name for tensor in model.graph.initializer}
        for value in model.graph.input:
            if value.name not in given:
                source = inputs[value.name.removeprefix(prefix)]
                self.nodes.append(helper.make_node("Identity", [source], [value.name]))
        self.nodes.extend(model.graph.node)
        self.root.weights.extend(model.graph.initializer)
        return {name: prefix + name for name in names}

    def scan(self, rows: list[tuple[str, int, Shape]], body: Body, outputs: list[tuple[int, Shape]]) -> list[str]:
        """Runs `body` for every row of the given values.

        :param rows: (name, element type, shape of one row); the body may also read any value of this graph
        :param outputs: (element type, shape of one row)
        :return: the results, stacked along a new first axis
        """
        inner = Composer(self.fresh("row"), self.opset, self.root)
        taken = [self.fresh("taken") for _ in rows]
        results = body(inner, *taken)
        declared = []
        for result, (element, shape) in zip(results, outputs, strict=True):
            # A graph's output must be a separate value with a known shape.
            name = self.fresh("result")
            inner.nodes.append(helper.make_node("Identity", [result], [name]))
            declared.append(helper.make_tensor_value_info(name, element, shape))
        graph = helper.make_graph(
            needed(inner.nodes, {value.name for value in declared}),
            inner.name,
            [helper.make_tensor_value_info(name, element, shape) for name, (_, element, shape) in zip(taken, rows, strict=True)],
            declared,
        )
        return self.ops("Scan", *(name for name, _, _ in rows), outputs=len(outputs), body=graph, num_scan_inputs=len(rows))

    def finish(self, inputs: dict[str, tuple[int, Shape]], outputs: dict[str, tuple[str, int, Shape]]) -> onnx.ModelProto:
        """
        :param inputs: name → element type and shape
        :param outputs: name → value here, element type and shape
        """
        for name, (value, _, _) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [value], [name]))
        nodes = needed(self.nodes, set(outputs))
        read = read_by(nodes)
        graph = helper.make_graph(
            nodes,
            self.name,
            [helper.make_tensor_value_info(name, *spec) for name, spec in inputs.items()],
            [helper.make_tensor_value_info(name, *spec) for name, (_, *spec) in outputs.items()],
            [tensor for tensor in self.weights if tensor.name in read],
        )
        domains = {"": self.opset} | self.domains
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(domain, version) for domain, version in domains.items()],
            producer_name="masklet",
            ir_version=IR_VERSION,
        )


Body = Any  # (Composer, *row values) → list of result values


def prefix_names(graph: onnx.GraphProto, prefix: str) -> None:
    """Renames every value. `onnx.compose.add_prefix` omits values that an inner graph reads from the outer one."""
    for value in [*graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        value.name = prefix + value.name
    for sparse in graph.sparse_initializer:
        sparse.values.name = prefix + sparse.values.name
    for node in graph.node:
        if node.name:
            node.name = prefix + node.name
        for names in (node.input, node.output):
            # An empty name is an omitted input or output.
            names[:] = [prefix + name if name else name for name in names]
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                prefix_names(inner, prefix)


def needed(nodes: list[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """Nodes that the wanted values depend on. Unused outputs would still be computed."""
    wanted, kept = set(wanted), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted |= read_by([node])
    return kept[::-1]


def read_by(nodes: list[onnx.NodeProto]) -> set[str]:
    """Names that nodes read, including those inside their subgraphs"""
    names: set[str] = set()
    for node in nodes:
        names.update(node.input)
        for attribute in node.attribute:
            for graph in [attribute.g, *attribute.graphs]:
                names |= read_by(list(graph.node)) | {value.name for value in graph.output}
    return names
