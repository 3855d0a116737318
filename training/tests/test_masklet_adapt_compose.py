"""Composition of graphs, without any model"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from masklet_adapt import pack
from masklet_adapt.compose import Composer
from masklet_adapt.jax_video import leading_units
from masklet_adapt.published import AdaptError, Constants, open_published

FLOAT = TensorProto.FLOAT


def write_published(folder: Path) -> None:
    """x [1,3] → y [1,1,3] = 2x, computed in a branch that reads an outer value; and an unused output."""
    inner = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["double"])], "then", [], [helper.make_tensor_value_info("double", FLOAT, [1, 3])]
    )
    nodes = [
        helper.make_node("If", ["yes"], ["branch"], then_branch=inner, else_branch=inner),
        helper.make_node("Unsqueeze", ["branch", "first"], ["y"]),
        helper.make_node("Exp", ["branch"], ["unused"]),
    ]
    graph = helper.make_graph(
        nodes, "published", [helper.make_tensor_value_info("x", FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", FLOAT, [1, 1, 3]), helper.make_tensor_value_info("unused", FLOAT, [1, 3])],
        [
            helper.make_tensor("two", FLOAT, [1], [2.0]), helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
            helper.make_tensor("first", TensorProto.INT64, [1], [0]),
        ],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "published.onnx")


def looped(folder: Path) -> onnx.ModelProto:
    write_published(folder)
    published = open_published(folder, "published.onnx", ("x",), ("y",))
    composer = Composer("terminal_side")
    shift = composer.op("Mul", "shift", composer.constant(10))

    def body(row: Composer, x: str) -> list[str]:
        out = row.embed(published, {"x": row.op("Unsqueeze", x, row.ints(0))})
        return [row.op("Add", row.without(out["y"], 0, 1), shift)]

    (y,) = composer.scan([("x", FLOAT, (3,))], body, [(FLOAT, (3,))])
    return composer.finish({"x": (FLOAT, ("B", 3)), "shift": (FLOAT, (1,))}, {"y": (y, FLOAT, ("B", 3))})


def run(path: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    return session.run(["y"], {"x": x, "shift": np.ones(1, np.float32)})[0]


EXPECTED = 2 * np.arange(6).reshape(2, 3) + 10


def test_a_graph_for_one_row_is_scanned_and_reads_outer_values(tmp_path: Path) -> None:
    files = pack.save(looped(tmp_path), tmp_path / "terminal_side.onnx")
    assert [file["name"] for file in files] == ["terminal_side.onnx"]
    assert np.array_equal(run(tmp_path / "terminal_side.onnx"), EXPECTED)


def test_unused_nodes_are_removed(tmp_path: Path) -> None:
    model = looped(tmp_path)
    body = next(node for node in model.graph.node if node.op_type == "Scan").attribute
    kinds = {node.op_type for attribute in body for node in attribute.g.node}
    assert "If" in kinds and "Exp" not in kinds


def test_large_weights_are_in_a_separate_file_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "LARGEST_INLINE_BYTES", 1000)
    table = np.arange(600, dtype=np.float32)
    composer = Composer("large")
    model = composer.finish({"x": (FLOAT, (600,))}, {"y": (composer.op("Add", "x", composer.constant(table)), FLOAT, (600,))})
    files = pack.save(model, tmp_path / "large.onnx")
    assert [file["name"] for file in files] == ["large.onnx", "large.data"]
    assert files[1]["bytes"] == (tmp_path / "large.data").stat().st_size >= table.nbytes
    session = onnxruntime.InferenceSession(str(tmp_path / "large.onnx"), providers=["CPUExecutionProvider"])
    assert np.array_equal(session.run(["y"], {"x": table})[0], 2 * table)


def test_mismatches_are_named(tmp_path: Path) -> None:
    write_published(tmp_path)
    with pytest.raises(AdaptError, match='published.onnx: output "z" is missing: expected y, z, found y, unused.'):
        open_published(tmp_path, "published.onnx", ("x",), ("y", "z"))
    with pytest.raises(AdaptError, match='published.onnx: input "a" is missing: expected a, x, found x.'):
        open_published(tmp_path, "published.onnx", ("a", "x"), ("y",))
    with pytest.raises(AdaptError, match='published.onnx: input "x" is unknown'):
        open_published(tmp_path, "published.onnx", (), ("y",))
    with pytest.raises(AdaptError, match="expected \\[4, 4\\] among axes of 1, found \\[1, 3, 4, 4\\]"):
        leading_units("mask_decoder.onnx", "pred_masks", np.zeros((1, 3, 4, 4)), (4, 4))
    assert leading_units("f", "n", np.zeros((1, 5, 1, 2)), (5, 2)) == (0, 2)


def test_constants_are_found_by_the_end_of_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", **{"tracker_model.no_memory_embedding": np.ones((1, 1, 4), np.float16)})
    constants = Constants(tmp_path / "c.npz")
    assert constants.need("no_memory_embedding", (1, 4, 1, 1)).dtype == np.float32
    with pytest.raises(AdaptError, match='c.npz: "no_memory_embedding" has the shape \\[1, 1, 4\\], expected \\[5\\]'):
        constants.need("no_memory_embedding", (5,))
    assert constants.get("occlusion_spatial_embedding_parameter") is None
