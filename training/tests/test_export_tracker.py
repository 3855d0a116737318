"""The graphs of the pack with pretrained features compute PyTorch's numbers, for sizes that they were not traced with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from masklet_training.export_tracker import export_lite_pack
from masklet_training.graphs import GraphSpec
from masklet_training.lite_graphs import LITE_SPECS, LitePack, area_weights, lite_inputs
from masklet_training.model.compact import CompactModel
from masklet_training.model.lite_tracker import LiteTracker

SIDE = 64


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[LitePack, Path]:
    torch.manual_seed(3)
    tracker = LiteTracker(side=SIDE)
    for module in tracker.modules():  # parts that start at zero must not hide an error
        if isinstance(module, torch.nn.Conv2d) and float(module.weight.detach().abs().max()) == 0.0:
            torch.nn.init.normal_(module.weight, std=0.05)
    pack = LitePack(tracker, CompactModel(), detector_side=96).eval()
    out = tmp_path_factory.mktemp("pack")
    export_lite_pack(pack, out, "0.0.0", {"recipe": "test"}, half=False)
    return pack, out


@pytest.mark.parametrize("sizes", [dict(b=1, m=1, p=0, n=1, c=1, e=1), dict(b=3, m=7, p=16, n=5, c=3, e=3)])
@pytest.mark.parametrize("spec", LITE_SPECS, ids=lambda spec: spec.role)
def test_graph_equals_pytorch(exported: tuple[LitePack, Path], spec: GraphSpec, sizes: dict[str, int]) -> None:
    pack, folder = exported
    torch.manual_seed(11)
    inputs = lite_inputs(pack, **sizes)[spec.role]
    with torch.no_grad():
        expected = spec.module(pack).eval()(*(inputs[name] for name in spec.inputs))
    expected = expected if isinstance(expected, tuple) else (expected,)
    session = ort.InferenceSession(str(folder / f"{spec.role}.onnx"), providers=["CPUExecutionProvider"])
    assert {value.name for value in session.get_inputs()} == set(spec.inputs)
    got = session.run(list(spec.outputs), {name: inputs[name].numpy() for name in spec.inputs})
    for name, a, b in zip(spec.outputs, expected, got):
        assert a.shape == b.shape, name
        if spec.role == "detect" and name != "presence":  # cells that are not peaks have score zero, in any order
            found = expected[0].numpy() > 0
            assert (got[0] > 0).sum() == found.sum()
            a, b = a[torch.from_numpy(found)], b[found]
        scale = max(1.0, float(a.float().abs().max())) if a.numel() else 1.0
        assert np.abs(a.numpy().astype(np.float64) - b).max(initial=0.0) / scale < 5e-4, name


def test_the_manifest_states_the_sizes_of_the_graphs(exported: tuple[LitePack, Path]) -> None:
    _, folder = exported
    geometry = json.loads((folder / "manifest.json").read_text())["geometry"]
    session = ort.InferenceSession(str(folder / "track.onnx"), providers=["CPUExecutionProvider"])
    shapes = {value.name: value.shape for value in session.get_inputs()}
    g, d = geometry["g"], geometry["D"]
    assert (
        shapes["feat"] == [1, d, g, g] and shapes["feat_s1"] == [1, d // 4, 2 * g, 2 * g] and shapes["feat_s0"] == [1, d // 8, 4 * g, 4 * g]
    )
    assert shapes["memory"] == ["B", "M", geometry["T"], geometry["Dm"]] and shapes["points"] == ["B", "N", 2]


def test_area_weights_average_what_a_pixel_covers() -> None:
    assert torch.allclose(
        area_weights(6, 4), torch.tensor([[2, 1, 0, 0, 0, 0], [0, 1, 2, 0, 0, 0], [0, 0, 0, 2, 1, 0], [0, 0, 0, 0, 1, 2]]) / 3
    )
    assert torch.allclose(area_weights(384, 256).sum(1), torch.ones(256))
