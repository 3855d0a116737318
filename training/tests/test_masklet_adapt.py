"""Packs adapted from published layouts return the same values as packs exported from the same checkpoint, graph by
graph.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from published_layouts import write_jax_video, write_usls_detector

from masklet_adapt.__main__ import main as adapt
from masklet_export.__main__ import main as export
from masklet_export.spec import Geometry, example_inputs
from parity.make_models import MAKERS, Sizes, make_tokenizer

pytestmark = pytest.mark.usefixtures("without_gradients")
torch.set_num_threads(1)
SIZES = {"sam2": Sizes(side=192), "edgetam": Sizes(side=192), "sam3": Sizes(side=168)}
Tensors = dict[str, np.ndarray]


@dataclass
class Packs:
    """One checkpoint in two packs: exported, and adapted from files in the published layout"""

    family: str
    published: Path
    exported: Path
    adapted: Path

    @property
    def manifest(self) -> dict:
        return json.loads((self.adapted / "manifest.json").read_text())

    def inputs(self, **counts: int) -> dict[str, Tensors]:
        torch.manual_seed(sum(counts.values()))
        z = self.manifest["geometry"]
        geometry = Geometry(**{name: z[name] for name in ("S", "g", "D", "Dm", "T", "m")})
        rows = self.manifest["bank"]["temporalRows"]
        made = example_inputs(geometry, temporal_rows=rows, **counts)
        return {role: {name: x.numpy() for name, x in tensors.items()} for role, tensors in made.items()}


def run(pack: Path, role: str, inputs: Tensors) -> Tensors:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(pack / f"{role}.onnx"), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, {value.name: inputs[value.name] for value in session.get_inputs()})))


@pytest.fixture(scope="module", params=list(SIZES))
def packs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Packs:
    family = request.param
    folder = tmp_path_factory.mktemp(family)
    model = MAKERS[family](SIZES[family], 5)
    model.save_pretrained(folder / "checkpoint")
    for part in model.modules():
        if hasattr(part, "config"):
            part.config._attn_implementation = "eager"
    write_jax_video(model, folder / "published")
    more = []
    if family == "sam3":
        make_tokenizer().save(str(folder / "checkpoint" / "tokenizer.json"))
        write_usls_detector(model.detector_model, folder / "detector")
        more = ["--detector", str(folder / "detector"), "--tokenizer", str(folder / "checkpoint" / "tokenizer.json")]
    found = Packs(family, folder / "published", folder / "exported", folder / "adapted")
    constants = str(found.published / "constants.npz")
    assert export([str(folder / "checkpoint"), "--out", str(found.exported), "--attention", "standard"]) == 0
    arguments = ["--video", str(found.published), "--family", family, "--constants", constants]
    assert adapt([*arguments, *more, "--out", str(found.adapted)]) == 0
    return found


def assert_same(expected: np.ndarray, got: np.ndarray, what: str, limit: float = 2e-4) -> None:
    assert expected.shape == got.shape, what
    worst = float(np.abs(expected - got).max(initial=0)) / max(1.0, float(np.abs(expected).max(initial=0)))
    print(f"{what:20} max {worst:.1e} of the largest value")
    assert worst < limit, what


def test_encode(packs: Packs) -> None:
    inputs = packs.inputs()["encode"]
    expected, got = run(packs.exported, "encode", inputs), run(packs.adapted, "encode", inputs)
    for name in ("feat", "feat_s1", "feat_s0"):
        assert_same(expected[name], got[name], name)


@pytest.mark.parametrize("b", [1, 3])
def test_segment_with_a_click(packs: Packs, b: int) -> None:
    inputs = packs.inputs(b=b, n=1)["segment"]
    inputs["has_mask"] = np.zeros(b, np.float32)
    expected, got = run(packs.exported, "segment", inputs), run(packs.adapted, "segment", inputs)
    rows = np.arange(b)
    assert set(expected["best"]) <= {1, 2, 3}
    for name in ("masks", "iou", "pointer"):
        chosen = expected[name][rows, expected["best"]]
        for candidate in range(4):
            assert_same(chosen, got[name][:, candidate], f"{name} {candidate}")
    assert_same(expected["score"], got["score"], "score")
    assert got["best"].tolist() == [0] * b
    assert ((got["stability"] >= 0) & (got["stability"] <= 1)).all()


def test_segment_with_a_box_selects_the_best_candidate(packs: Packs) -> None:
    """A limit that the manifest lists: the exported pack has a separate mask for boxes, the published files do not."""
    inputs = packs.inputs(b=2, n=3)["segment"]
    inputs["has_mask"] = np.zeros(2, np.float32)
    expected, got = run(packs.exported, "segment", inputs), run(packs.adapted, "segment", inputs)
    best = 1 + expected["iou"][:, 1:].argmax(1)
    assert_same(expected["masks"][np.arange(2), best], got["masks"][:, 0], "masks")


@pytest.mark.parametrize(("b", "m", "p"), [(1, 1, 1), (3, 4, 5), (2, 2, 0)])
def test_track(packs: Packs, b: int, m: int, p: int) -> None:
    inputs = packs.inputs(b=b, m=m, p=p, n=1)["track"]
    inputs["labels"] = np.full((b, 1), -1, np.int32)
    expected, got = run(packs.exported, "track", inputs), run(packs.adapted, "track", inputs)
    for name in ("mask", "score", "iou", "pointer"):
        assert_same(expected[name], got[name], name)


def test_track_is_independent_of_the_order_of_memories(packs: Packs) -> None:
    inputs = packs.inputs(b=1, m=3, p=2, n=1)["track"]
    rotated = inputs | {name: inputs[name][:, ::-1].copy() for name in ("memory", "memory_t")}
    expected, got = run(packs.adapted, "track", inputs), run(packs.adapted, "track", rotated)
    assert_same(expected["mask"], got["mask"], "mask")


@pytest.mark.parametrize("b", [1, 3])
def test_remember(packs: Packs, b: int) -> None:
    inputs = packs.inputs(b=b)["remember"]
    # Without an input for the score, EdgeTAM's files encode every object as present.
    if packs.family == "edgetam":
        inputs["score"] = np.ones(b, np.float32)
    # Masks in the form of the tracker alone: `Sam3VideoModel` resizes tracked masks differently.
    if packs.family == "sam3":
        inputs["binarize"] = np.ones(b, np.float32)
    expected, got = run(packs.exported, "remember", inputs), run(packs.adapted, "remember", inputs)
    assert_same(expected["memory"], got["memory"], "memory")


def test_remember_distinguishes_absent_from_present(packs: Packs) -> None:
    inputs = packs.inputs(b=1)["remember"]
    seen, gone = (run(packs.adapted, "remember", inputs | {"score": np.array([s], np.float32)}) for s in (1, -1))
    assert np.array_equal(seen["memory"], gone["memory"]) == (packs.family == "edgetam")


def test_manifest_lists_files_and_limits(packs: Packs) -> None:
    described = packs.manifest
    assert {file["name"] for file in described["files"]} >= {"encode.onnx", "segment.onnx", "track.onnx", "render.onnx"}
    for file in described["files"]:
        assert (packs.adapted / file["name"]).stat().st_size == file["bytes"]
    exported = json.loads((packs.exported / "manifest.json").read_text())
    for name in ("S", "g", "D", "Dm", "T", "m"):
        assert described["geometry"][name] == exported["geometry"][name], name
    assert described["bank"]["temporalRows"] == exported["bank"]["temporalRows"]
    assert described["bank"]["pointerTime"] == exported["bank"]["pointerTime"]
    assert described["capabilities"]["maskInput"] is False
    assert any("one mask per prompt" in limit for limit in described["source"]["limits"])


def test_unused_outputs_are_removed(packs: Packs) -> None:
    """The encoders return the position encodings of every level, 84 MB a frame at full size; the adapted graphs omit
    these nodes.
    """
    published = onnx.load(str(packs.published / "vision_encoder.onnx"))
    adapted = onnx.load(str(packs.adapted / "encode.onnx"))
    assert {value.name for value in adapted.graph.output} == {"feat", "feat_s1", "feat_s0"} | (
        {"trunk"} if packs.family == "sam3" else set()
    )
    read = {name for node in adapted.graph.node for name in node.input} | {v.name for v in adapted.graph.output}
    assert not [output.name for output in published.graph.output if output.name.startswith("pos") and output.name in read]


def detector_only(packs: Packs) -> None:
    if packs.family != "sam3":
        pytest.skip("only SAM 3 has a detector layout: the published SAM 2.1 and EdgeTAM files have none to adapt")


def test_a_missing_or_wrong_file_is_named(packs: Packs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    constants = str(packs.published / "constants.npz")
    arguments = ["--family", packs.family, "--constants", constants, "--out", str(tmp_path / "out")]
    assert adapt(["--video", str(tmp_path), *arguments]) == 1
    assert "vision_encoder.onnx: file not found." in capsys.readouterr().err
    for name in ("vision_encoder", "mask_decoder", "memory_attention", "memory_encoder"):
        (tmp_path / f"{name}.onnx").write_bytes((packs.published / f"{name}.onnx").read_bytes())
    (tmp_path / "mask_decoder.onnx").write_bytes((packs.published / "memory_encoder.onnx").read_bytes())
    assert adapt(["--video", str(tmp_path), *arguments]) == 1
    assert 'mask_decoder.onnx: input "feats0" is missing: expected feats0, feats1' in capsys.readouterr().err
    (tmp_path / "mask_decoder.onnx").write_bytes((packs.published / "mask_decoder.onnx").read_bytes())
    np.savez(tmp_path / "few.npz", memory_temporal_positional_encoding=np.zeros((5, 64)))
    arguments[3] = str(tmp_path / "few.npz")
    assert adapt(["--video", str(tmp_path), *arguments]) == 1
    assert 'few.npz: "no_memory_embedding" is missing' in capsys.readouterr().err
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("c", [1, 3])
def test_text(packs: Packs, c: int) -> None:
    detector_only(packs)
    length = packs.manifest["geometry"]["L"]
    mask = np.ones((c, length), np.int32)
    mask[:, 5:] = 0
    ids = np.random.default_rng(c).integers(3, 200, (c, length), dtype=np.int32) * mask
    inputs = {"input_ids": ids, "attention_mask": mask}
    expected, got = run(packs.exported, "text", inputs), run(packs.adapted, "text", inputs)
    assert_same(expected["text"] * mask[..., None], got["text"] * mask[..., None], "text")


@pytest.mark.parametrize(("c", "labels"), [(1, [-10]), (2, [1, 0]), (3, [1, -10])])
def test_detect(packs: Packs, c: int, labels: list[int]) -> None:
    """Starts from the image, because the trunks of the two packs differ."""
    detector_only(packs)
    random = np.random.default_rng(c)
    picture = packs.inputs()["encode"]
    z = packs.manifest["geometry"]
    mask = np.ones((c, z["L"]), np.int32)
    mask[:, 6:] = 0
    inputs = {
        "text": random.standard_normal((c, z["L"], z["D"]), dtype=np.float32),
        "text_mask": mask,
        "boxes": random.uniform(0.2, 0.7, (c, len(labels), 4)).astype(np.float32),
        "box_labels": np.tile(np.array(labels, np.int32), (c, 1)),
    }
    expected, got = (
        run(pack, "detect", inputs | {"trunk": run(pack, "encode", picture)["trunk"]}) for pack in (packs.exported, packs.adapted)
    )
    assert got["scores"].shape == (c, z["K"])
    for name in ("scores", "boxes_out", "masks", "presence"):
        assert_same(expected[name][:, : z["K"]] if expected[name].ndim > 1 else expected[name], got[name], name, 5e-4)


def test_seed_passes_the_box_to_the_decoder(packs: Packs) -> None:
    detector_only(packs)
    z = packs.manifest["geometry"]
    m = z["m"]
    mask = np.zeros((2, 1, m, m), np.float32)
    mask[0, 0, m // 4 : m // 2, m // 8 : m // 2] = 1
    levels = {name: x for name, x in packs.inputs()["segment"].items() if name.startswith("feat")}
    got = run(packs.adapted, "seed", levels | {"mask": mask})
    corners = np.array([[[1 / 8, 1 / 4], [1 / 2, 1 / 2]]], np.float32)
    prompt = {"points": corners, "labels": np.array([[2, 3]], np.int32)}
    boxed = run(packs.adapted, "segment", levels | prompt)
    assert_same(boxed["pointer"][:, 0], got["pointer"][:1], "pointer")
    assert got["score"].tolist() == [10, -10]
    no_pointer = np.load(packs.published / "constants.npz")["no_object_pointer"].reshape(-1)
    assert_same(no_pointer, got["pointer"][1], "pointer of nothing")
    assert_same(20 * mask - 10, got["mask_logits"], "mask_logits")
