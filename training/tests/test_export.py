"""Every exported graph computes PyTorch's numbers, for batch sizes and memory lengths that it was not traced with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from masklet_training.batches import phrase_tokens
from masklet_training.byte_storage import store_bytes
from masklet_training.calibrate import store_vocabulary
from masklet_training.export import export_pack
from masklet_training.graphs import SPECS, GraphSpec, example_inputs
from masklet_training.half_storage import store_half
from masklet_training.model.compact import CompactModel
from masklet_training.model.config import CompactConfig

SIDE = 128
WIDTH = CompactConfig().hidden  # of the vectors of the namer's feature branch


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> tuple[CompactModel, Path]:
    torch.manual_seed(3)
    model = CompactModel().eval()
    for module in model.modules():  # norms and zero-initialised parts must not hide an error
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    torch.nn.init.normal_(model.no_memory, std=0.3)
    torch.nn.init.normal_(model.memory_encoder.occluded, std=0.3)
    torch.nn.init.normal_(model.pointers.absent, std=0.3)
    torch.nn.init.normal_(model.detector.namer.by_features.call[2].weight, std=0.05)
    for caller in (model.detector.namer.by_features, model.detector.namer.by_picture):
        torch.nn.init.normal_(caller.nothing, std=0.3)
    # Scores of random evidence must not be equal: their order would be arbitrary.
    torch.nn.init.normal_(model.detector.judge[2].weight, std=0.02)
    store_vocabulary(model)
    out = tmp_path_factory.mktemp("pack")
    export_pack(model, SIDE, out, "0.0.0", {"recipe": "test"}, half=False)
    return model, out


@pytest.mark.parametrize(
    "sizes", [dict(b=1, m=1, p=0, n=1, c=1, e=1), dict(b=3, m=7, p=16, n=5, c=3, e=3), dict(b=2, m=4, p=1, n=3, c=2, e=2)]
)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.role)
def test_graph_equals_pytorch(pack: tuple[CompactModel, Path], spec: GraphSpec, sizes: dict[str, int]) -> None:
    model, folder = pack
    torch.manual_seed(11)
    inputs = example_inputs(model, SIDE, **sizes)[spec.role]
    with torch.no_grad():
        expected = spec.module(model).eval()(*(inputs[name] for name in spec.inputs))
    expected = expected if isinstance(expected, tuple) else (expected,)
    session = ort.InferenceSession(str(folder / f"{spec.role}.onnx"), providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] and {value.name for value in session.get_inputs()} == set(spec.inputs)
    got = session.run(list(spec.outputs), {name: inputs[name].numpy() for name in spec.inputs})
    for name, a, b in zip(spec.outputs, expected, got):
        assert a.shape == b.shape, name
        if spec.role == "detect" and name != "presence":  # cells that are not peaks have score zero, in any order
            found = expected[0].numpy() > 0
            assert found.any() and (got[0] > 0).sum() == found.sum()
            a, b = a[torch.from_numpy(found)], b[found]
        scale = max(1.0, float(a.float().abs().max()))
        assert float(np.abs(a.numpy().astype(np.float64) - b).max()) / scale < 2e-4, name


def test_names_of_the_vocabulary_are_known(pack: tuple[CompactModel, Path]) -> None:
    """For names of the vocabulary, the comparison with rivals contributes to the score; random concepts in the test
    above have none.
    """
    model, folder = pack
    inputs = example_inputs(model, SIDE, c=2)["detect"]
    ids, mask = (torch.from_numpy(array[[3, 700]]) for array in phrase_tokens())
    length = inputs["text"].shape[1] - ids.shape[1]
    ids, mask = (torch.nn.functional.pad(array, (0, length)) for array in (ids, mask))
    with torch.no_grad():
        text = model.text_encoder(ids, mask)
        concept = model.detector.namer.name(model.detector.name_concept(text, mask))
        nearest, known = model.detector.nearest_name(concept)
        assert known.tolist() == [1.0, 1.0] and nearest.tolist() == [3, 700]
        names, nothing = (vectors[..., :WIDTH] for vectors in (model.detector.evidence_names, model.detector.namer.nothing))
        assert model.detector.rivals(torch.randn(2, 5, WIDTH), names, nothing, nearest).std() > 0
        inputs |= {"text": text, "text_mask": mask.to(inputs["text_mask"].dtype), "box_labels": torch.full_like(inputs["box_labels"], -10)}
        expected = model.detector(*inputs.values())[0].numpy()
    session = ort.InferenceSession(str(folder / "detect.onnx"), providers=["CPUExecutionProvider"])
    scores = session.run(["scores"], {name: value.numpy() for name, value in inputs.items()})[0]
    assert expected.max() > 0 and np.abs(scores - expected).max() < 1e-4


def test_memory_slots_may_stand_in_any_order(pack: tuple[CompactModel, Path]) -> None:
    model, folder = pack
    inputs = {name: value.numpy() for name, value in example_inputs(model, SIDE, m=4)["track"].items()}
    session = ort.InferenceSession(str(folder / "track.onnx"), providers=["CPUExecutionProvider"])
    straight = session.run(["mask"], inputs)[0]
    order = [2, 0, 3, 1]
    shuffled = inputs | {"memory": inputs["memory"][:, order], "memory_t": inputs["memory_t"][:, order]}
    assert np.abs(straight - session.run(["mask"], shuffled)[0]).max() < 1e-4


def test_half_storage_only_rounds_the_weights(pack: tuple[CompactModel, Path]) -> None:
    _, folder = pack
    full = onnx.load(folder / "remember.onnx")
    weights = {t.name: numpy_helper.to_array(t) for t in full.graph.initializer}
    half = store_half(onnx.load(folder / "remember.onnx"))
    stored = {t.name.removesuffix(".half"): numpy_helper.to_array(t) for t in half.graph.initializer}
    assert set(stored) == set(weights)
    assert len(half.SerializeToString()) < 0.6 * len(full.SerializeToString())
    for name, values in weights.items():
        assert np.abs(stored[name].astype(np.float32) - values).max() <= np.abs(values).max() * 2**-11
    session = ort.InferenceSession(half.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_outputs()] == ["memory"]


def test_byte_storage_rounds_large_kernels_to_one_of_255_steps() -> None:
    rng = np.random.default_rng(1)
    kernel = rng.normal(size=(64, 32, 3, 3)).astype(np.float32)
    kernel[5] = 0.0
    small = np.ones((2, 64, 1, 1), np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "kernel"], ["y"]), helper.make_node("Conv", ["y", "small"], ["z"])],
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 32, 3, 3])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64, 1, 1]),
            helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 2, 1, 1]),
        ],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(small, "small")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    full = len(model.SerializeToString())
    store_bytes(model)
    onnx.checker.check_model(model)
    assert len(model.SerializeToString()) < 0.3 * full
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    step = np.abs(kernel).max((1, 2, 3)) / 127
    for _ in range(3):  # a unit input selects one value of every output channel
        channel, row, column = (int(value) for value in rng.integers((32, 3, 3)))
        x = np.zeros((1, 32, 3, 3), np.float32)
        x[0, channel, row, column] = 1.0
        error = np.abs(session.run(["y"], {"x": x})[0].ravel() - kernel[:, channel, row, column])
        assert (error <= step * 0.501).all()


def test_render_measures_what_it_draws(pack: tuple[CompactModel, Path]) -> None:
    _, folder = pack
    session = ort.InferenceSession(str(folder / "render.onnx"), providers=["CPUExecutionProvider"])
    m = SIDE // 4
    mask = np.full((2, 1, m, m), -8.0, np.float32)
    mask[0, 0, 4:12, 8:24] = 8.0
    feeds = {"mask": mask, "size": np.array([90, 161], np.int32), "threshold": np.array(0.0, np.float32)}
    bits, area, bbox = session.run(["bits", "area", "bbox"], feeds)
    assert bits.shape == (2, 90, 161) and bits.max() == 1
    ys, xs = np.nonzero(bits[0])
    assert area.tolist() == [len(ys), 0]
    assert bbox.tolist() == [[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], [0, 0, 0, 0]]
    assert abs(len(ys) / bits[0].size - 8 * 16 / m**2) < 0.01
