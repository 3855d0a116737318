"""Packs in half precision: the same graphs with rounded values"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from masklet_export.__main__ import main
from masklet_export.attention import attend
from masklet_export.half import to_half
from masklet_export.spec import Geometry, GraphSpec, example_inputs
from masklet_export.trace import attach, trace
from masklet_export.weights import WeightStore
from parity.make_models import DEFAULT_SIDES, MAKERS, Sizes, make_tokenizer


class Small(nn.Module):
    """One of each kind of operator that the models use"""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.linear = nn.LayerNorm(8), nn.Linear(8, 8)
        self.conv = nn.Conv2d(2, 3, 3, padding=1)
        self.register_buffer("bias", torch.tensor([0.0, torch.finfo(torch.float32).min]))

    def forward(self, x: Tensor, image: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = self.norm(self.linear(x))
        y = y + attend("fused", y, y, y, 2, 0.5)
        weights = torch.softmax(y[:, :, :2] + self.bias, -1)
        wide = nn.functional.interpolate(self.conv(image), size=(9, 9), mode="bilinear")
        found = torch.where(y > 0, y, -1024.0)[rows.long()] * (rows >= 0).to(y.dtype)[:, None, None]
        return found, weights, wide


SPEC = GraphSpec("small", ("x", "image", "rows"), ("found", "weights", "wide"), {"x": {0: "B"}, "rows": {0: "R"}})


@pytest.fixture
def inputs() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {"x": torch.randn(3, 5, 8), "image": torch.randn(1, 2, 6, 6), "rows": torch.tensor([2, 0], dtype=torch.int32)}


def test_half_rounds_and_keeps_the_boundary(tmp_path: Path, inputs: dict[str, Tensor]) -> None:
    module = Small().eval()
    model, weights = trace(module, SPEC, inputs)
    to_half(model, weights)
    assert all(values.dtype != np.float32 for values in weights.values())
    assert np.isfinite(np.concatenate([w.ravel() for w in weights.values() if w.dtype == np.float16])).all()
    store = WeightStore(tmp_path / "weights.bin")
    onnx.save(attach(model, weights, store), tmp_path / "small.onnx")
    store.close()
    session = ort.InferenceSession(str(tmp_path / "small.onnx"), providers=["CPUExecutionProvider"])
    assert {value.type for value in session.get_inputs()} == {"tensor(float)", "tensor(int32)"}
    assert {value.type for value in session.get_outputs()} == {"tensor(float)"}
    with torch.no_grad():
        expected = module(*(inputs[name] for name in SPEC.inputs))
    got = session.run(list(SPEC.outputs), {name: value.numpy() for name, value in inputs.items()})
    for name, a, b in zip(SPEC.outputs, expected, got):
        error = np.abs(a.numpy() - b).max() / max(1.0, float(a.abs().max()))
        assert 0 < error < 5e-3 or name == "weights", name
        assert error < 5e-3, name


@pytest.mark.parametrize("family", list(MAKERS))
def test_packs_in_half_precision_return_nearly_equal_values(family: str, tmp_path: Path) -> None:
    MAKERS[family](Sizes(side=DEFAULT_SIDES[family]), 5).save_pretrained(tmp_path / "checkpoint")
    make_tokenizer().save(str(tmp_path / "checkpoint/tokenizer.json"))
    full, half = tmp_path / "fp32", tmp_path / "fp16"
    for pack in (full, half):
        assert main([str(tmp_path / "checkpoint"), "--out", str(pack), "--precision", pack.name]) == 0
    manifest = json.loads((full / "manifest.json").read_text())
    torch.manual_seed(2)
    rows = manifest["bank"]["temporalRows"]
    examples = example_inputs(Geometry(**manifest["geometry"]), vocabulary=300, temporal_rows=rows, b=2, m=3, p=4, n=1)
    for role, inputs in examples.items():
        expected, got = (run(pack / f"{role}.onnx", inputs) for pack in (full, half))
        for name in expected.keys() & {"feat", "trunk", "text", "scores", "presence", "masks", "mask", "pointer", "memory", "score"}:
            a, b = (values[name].astype(np.float64).ravel() for values in (expected, got))
            cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
            print(f"{role}.{name}: 1 - cosine {1 - cosine:.1e}")
            assert cosine > 0.999, f"{role}.{name}"
    assert sizes(half)["remember.onnx"] == sizes(full)["remember.onnx"], "it stays float32"
    assert sizes(half)["weights.bin"] < 0.7 * sizes(full)["weights.bin"]


def run(graph: Path, inputs: dict[str, Tensor]) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, {value.name: inputs[value.name].numpy() for value in session.get_inputs()})))


def sizes(pack: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in pack.iterdir()}


def test_weights_are_written_once(tmp_path: Path, inputs: dict[str, Tensor]) -> None:
    store, big = WeightStore(tmp_path / "weights.bin"), np.arange(1000, dtype=np.float32)
    first, second = store.place("a", big), store.place("b", big.copy())
    small = store.place("c", np.array(3, dtype=np.int64))
    other = store.place("d", big + 1)
    assert store.bytes == 2 * big.nbytes + (-big.nbytes % 64)
    store.close()
    places = [{entry.key: entry.value for entry in tensor.external_data} for tensor in (first, second, other)]
    assert places[0] == places[1] != places[2]
    assert small.data_location != onnx.TensorProto.EXTERNAL and list(small.dims) == []
    stored = np.fromfile(tmp_path / "weights.bin", np.float32, 1000, offset=int(places[2]["offset"]))
    assert (stored == big + 1).all()
