"""Packs of transformers checkpoints compute the numbers of transformers, for sizes that they were not traced with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort
import pytest
import torch
from export_reference import Reference

from masklet_export.__main__ import main
from masklet_export.checkpoint import open_checkpoint
from masklet_export.families import open_family
from masklet_export.family import Family
from masklet_export.spec import example_inputs
from parity.make_models import DEFAULT_SIDES, MAKERS, Sizes, make_tokenizer

pytestmark = pytest.mark.usefixtures("without_gradients")
torch.set_num_threads(1)
FORMS = {"sam3": "fused", "sam2": "standard", "edgetam": "fused"}


@dataclass
class Exported:
    family: Family
    reference: Reference
    folder: Path
    statistics: tuple[list[float], list[float]]

    def run(self, role: str, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(str(self.folder / f"{role}.onnx"), options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_outputs()]
        feeds = {value.name: inputs[value.name].numpy() for value in session.get_inputs()}
        return {name: torch.from_numpy(x) for name, x in zip(names, session.run(names, feeds))}

    def inputs(self, **counts: int) -> dict[str, dict[str, torch.Tensor]]:
        torch.manual_seed(sum(counts.values()))
        rows = self.family.tracker.config.num_maskmem
        return example_inputs(self.family.geometry, vocabulary=self.family.vocabulary, temporal_rows=rows, **counts)


@pytest.fixture(scope="module", params=list(MAKERS))
def pack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    name = request.param
    folder, out = tmp_path_factory.mktemp("checkpoint"), tmp_path_factory.mktemp("pack")
    MAKERS[name](Sizes(side=DEFAULT_SIDES[name]), 5).save_pretrained(folder)
    if name == "sam3":
        make_tokenizer().save(str(folder / "tokenizer.json"))
    assert main([str(folder), "--out", str(out), "--attention", FORMS[name]]) == 0
    model = open_checkpoint(str(folder), None, None).load()
    family = open_family(model, "standard", kept=None, processor={})
    statistics = ([0.5] * 3, [0.5] * 3) if name == "sam3" else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return Exported(family, Reference(model, family.geometry), out, statistics)


def assert_same(expected: dict[str, torch.Tensor], got: dict[str, torch.Tensor], limit: float = 2e-4) -> None:
    for name, a in expected.items():
        b = got[name]
        assert a.shape == b.shape, name
        worst = float((a - b).abs().max()) / max(1.0, float(a.abs().max()))
        cosine = float(torch.cosine_similarity(a.flatten().double(), b.flatten().double(), 0)) if a.numel() > 1 else 1.0
        print(f"{name:10} max {worst:.1e} of the largest value, cosine 1 - {1 - cosine:.1e}")
        assert worst < limit and cosine > 1 - 1e-6, name


def test_encode(pack: Exported) -> None:
    inputs = pack.inputs()["encode"]
    assert_same(pack.reference.encode(inputs, *pack.statistics), pack.run("encode", inputs))


@pytest.mark.parametrize("c", [1, 3])
def test_text(pack: Exported, c: int) -> None:
    if not pack.family.detects:
        pytest.skip("SAM 2.1 and EdgeTAM packs have no text graph")
    inputs = pack.inputs(c=c)["text"]
    assert_same(pack.reference.text(inputs), pack.run("text", inputs))


@pytest.mark.parametrize(("c", "e"), [(1, 1), (1, 3), (3, 2)])
def test_detect(pack: Exported, c: int, e: int) -> None:
    if not pack.family.detects:
        pytest.skip("SAM 2.1 and EdgeTAM packs have no detect graph")
    inputs = pack.inputs(c=c, e=e)["detect"]
    assert_same(pack.reference.detect(inputs), pack.run("detect", inputs))


@pytest.mark.parametrize(("b", "n"), [(1, 1), (3, 1), (1, 3), (3, 3)])
def test_segment(pack: Exported, b: int, n: int) -> None:
    inputs = pack.inputs(b=b, n=n)["segment"]
    got = pack.run("segment", inputs)
    best, rows = got["best"].long(), torch.arange(b)
    assert (best > 0).any() or n > 1  # for an ambiguous prompt, one of several masks is selected
    chosen = {"mask": got["masks"][rows, best][:, None], "pointer": got["pointer"][rows, best], "iou": got["iou"][rows, best]}
    assert_same(pack.reference.segment(inputs), got | chosen)


@pytest.mark.parametrize("b", [1, 3])
@pytest.mark.parametrize("side", ["logits", "half", "image"])
def test_seed(pack: Exported, b: int, side: str) -> None:
    inputs = pack.inputs(b=b)["seed"]
    z = pack.family.geometry
    sides = {"logits": (z.m, z.m), "half": (z.m // 2, z.m + 4), "image": (z.S, z.S)}
    inputs["mask"] = torch.nn.functional.interpolate(inputs["mask"], size=sides[side])
    assert_same(pack.reference.seed(inputs), pack.run("seed", inputs))


@pytest.mark.parametrize(
    "counts",
    [
        dict(b=1, m=1, p=0, n=1), dict(b=3, m=4, p=1, n=1), dict(b=1, m=7, p=16, n=3),
        dict(b=3, m=10, p=16, n=1), dict(b=3, m=1, p=16, n=3),
    ],
)  # fmt: skip
@pytest.mark.parametrize("plain", [True, False])
def test_track(pack: Exported, counts: dict[str, int], plain: bool) -> None:
    if plain and counts["n"] > 1:
        pytest.skip("a frame without clicks has exactly one padding point")
    inputs = pack.inputs(**counts)["track"]
    if plain:
        inputs["labels"] = torch.full_like(inputs["labels"], -1)
    image, _ = pack.family.positions()
    got = pack.run("track", inputs)
    assert_same(pack.reference.track(inputs, image), got)


def test_memory_slots_may_stand_in_any_order(pack: Exported) -> None:
    inputs = pack.inputs(b=2, m=4)["track"]
    order = [2, 0, 3, 1]
    shuffled = inputs | {"memory": inputs["memory"][:, order], "memory_t": inputs["memory_t"][:, order]}
    assert_same(pack.run("track", inputs), pack.run("track", shuffled))


@pytest.mark.parametrize("b", [1, 3])
def test_remember(pack: Exported, b: int) -> None:
    inputs = pack.inputs(b=b)["remember"]
    got = pack.run("remember", inputs)
    assert_same(pack.reference.remember(inputs), got)


def test_manifest_matches_the_files(pack: Exported) -> None:
    manifest = json.loads((pack.folder / "manifest.json").read_text())
    listed = {file["name"]: file["bytes"] for file in manifest["files"]}
    existing = {path.name: path.stat().st_size for path in pack.folder.iterdir() if path.name != "manifest.json"}
    assert listed == existing
    assert {graph["file"] for graph in manifest["graphs"]} == {name for name in existing if name.endswith(".onnx")}
    decoder = pack.family.tracker.mask_decoder
    assert decoder.dynamic_multimask_via_stability
    assert manifest["decode"]["singleMaskStability"] == decoder.dynamic_multimask_stability_thresh == 0.98
