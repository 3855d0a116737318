"""The graphs of the pack with pretrained features compute PyTorch's numbers, for sizes that they were not traced with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
import torch.nn.functional as F

from masklet_training.byte_arithmetic import Range
from masklet_training.coco_words import CLASSES
from masklet_training.export_tracker import export_lite_pack
from masklet_training.graphs import GraphSpec
from masklet_training.lite_graphs import LITE_SPECS, Detect, Encode, LitePack, area_weights, lite_inputs
from masklet_training.measure_ranges import Follower
from masklet_training.model.box_detector import BoxDetector
from masklet_training.model.class_heat import ClassHeat
from masklet_training.model.compact import CompactModel
from masklet_training.model.lite import EfficientNetLite
from masklet_training.model.lite_tracker import LiteTracker
from masklet_training.model.phrase_code import BOXED, COLOURS, SEEN, NounReader, PhraseCode, pack_code
from masklet_training.model.phrase_detector import PhraseDetector
from masklet_training.noun_table import build_lexicon
from masklet_training.tokenizer import lexicon_tokenizer

SIDE = 64
NOUNS = {"dog": ({1, 2}, {16}), "polar bear": ({3}, set()), "person": (set(), {0}), "red": ({4}, {5})}
LEXICON = build_lexicon(["bear", "circle", "dog", "red"], NOUNS, {})


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[LitePack, Path]:
    torch.manual_seed(3)
    tracker = LiteTracker(side=SIDE)
    for module in tracker.modules():  # parts that start at zero must not hide an error
        if isinstance(module, torch.nn.Conv2d) and float(module.weight.detach().abs().max()) == 0.0:
            torch.nn.init.normal_(module.weight, std=0.05)
    phrases = PhraseDetector(BoxDetector(), ClassHeat(EfficientNetLite()))
    for evidence in (phrases.both, phrases.boxed, phrases.seen, phrases.place):
        evidence[-1] += 5.0  # so that random networks find something
    pack = LitePack(tracker, CompactModel(), NounReader(LEXICON), phrases, detector_side=96).eval()
    out = tmp_path_factory.mktemp("pack")
    export(pack, out)
    return pack, out


def export(pack: LitePack, out: Path, ranges: Mapping[str, Mapping[str, Range]] = {}) -> None:
    export_lite_pack(pack, out, "0.0.0", {"recipe": "test"}, lexicon_tokenizer(LEXICON.vocabulary), half=False, ranges=ranges)


@pytest.mark.parametrize("sizes", [dict(b=1, m=1, p=0, n=1, c=1, e=1), dict(b=3, m=7, p=16, n=5, c=3, e=3, aspect=0.3)])
@pytest.mark.parametrize("spec", LITE_SPECS, ids=lambda spec: spec.role)
def test_graph_equals_pytorch(exported: tuple[LitePack, Path], spec: GraphSpec, sizes: dict[str, float]) -> None:
    pack, folder = exported
    torch.manual_seed(11)
    inputs = lite_inputs(pack, **sizes)[spec.role]
    with torch.no_grad():
        expected = spec.module(pack).eval()(*(inputs[name] for name in spec.inputs))
    expected = expected if isinstance(expected, tuple) else (expected,)
    session = ort.InferenceSession(str(folder / f"{spec.role}.onnx"), providers=["CPUExecutionProvider"])
    assert {value.name for value in session.get_inputs()} == set(spec.inputs)
    got = session.run(list(spec.outputs), {name: inputs[name].numpy() for name in spec.inputs})
    wanted = [value.numpy() for value in expected]
    for name, a, b in zip(spec.outputs, wanted, got):
        assert a.shape == b.shape, name
    if spec.role == "detect":
        wanted, got = in_one_order(wanted, got)
    for name, a, b in zip(spec.outputs, wanted, got):
        scale = max(1.0, float(np.abs(a.astype(np.float32)).max())) if a.size else 1.0
        assert np.abs(a.astype(np.float64) - b).max(initial=0.0) / scale < 5e-4, name


def in_one_order(wanted: list[np.ndarray], got: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Pairs the detections of two results by their boxes, because detections of equal score may come in any order.
    Omits cells that are not peaks: their score is zero. scores [C,K], boxes [C,K,4], masks [C,K,m,m], presence [C] →
    scores [F], boxes [F,4], masks [F,m,m], presence [C]
    """
    assert (np.diff(got[0], axis=1) <= 0).all()
    pairs: list[tuple[list[np.ndarray], list[np.ndarray]]] = []
    for concept in range(len(wanted[0])):
        sides = [[value[concept][result[0][concept] > 0] for value in result[:3]] for result in (wanted, got)]
        distances = np.abs(sides[0][1][:, None] - sides[1][1][None]).max(2)
        assert distances.shape[0] == distances.shape[1]
        pairs.append(([value for value in sides[0]], [value[distances.argmin(1)] for value in sides[1]]))
        assert sorted(distances.argmin(1)) == list(range(len(distances)))
    joined = [[np.concatenate(values) for values in zip(*(pair[side] for pair in pairs))] for side in (0, 1)]
    return [*joined[0], wanted[3]], [*joined[1], got[3]]


def test_a_pack_with_measured_ranges_computes_nearly_the_same(exported: tuple[LitePack, Path], tmp_path: Path) -> None:
    pack, folder = exported
    follower = Follower(folder)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[16:40, 20:44] = True
    rng = np.random.default_rng(7)
    for prompt in ("box", "click"):
        frames = rng.integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
        frames[:, mask] //= 4
        follower.follow(frames, mask, prompt)
    ranges = follower.ranges()
    export(pack, tmp_path, ranges)

    for role, count in {"encode": 7, "track": 9, "segment": 48, "detect": 16}.items():
        assert len(ranges[role]) == count
        inputs = {name: value.numpy() for name, value in lite_inputs(pack)[role].items()}
        if role == "detect":  # of random networks, detections may come in another order
            assert (tmp_path / "detect.onnx").stat().st_size < (folder / "detect.onnx").stat().st_size
            run(tmp_path, role, inputs)
            continue
        compared = 1 if role == "track" else 0  # the score: the mask of an absent object has one value
        exact, rounded = (run(where, role, inputs)[compared] for where in (folder, tmp_path))
        assert 0 < np.abs(exact - rounded).mean() < 0.1 * np.abs(exact).mean(), role
    with pytest.raises(ValueError, match="exported without --ranges"):
        Follower(tmp_path)


def test_ranges_of_unknown_graphs_are_refused(exported: tuple[LitePack, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ranges are given for other"):
        export(exported[0], tmp_path, {"other": {}})


def test_the_manifest_states_the_sizes_of_the_graphs(exported: tuple[LitePack, Path]) -> None:
    _, folder = exported
    manifest = json.loads((folder / "manifest.json").read_text())
    geometry = manifest["geometry"]
    assert "NOTICE" in {file["name"] for file in manifest["files"]}
    session = ort.InferenceSession(str(folder / "track.onnx"), providers=["CPUExecutionProvider"])
    shapes = {value.name: value.shape for value in session.get_inputs()}
    g, d = geometry["g"], geometry["D"]
    assert (
        shapes["feat"] == [1, d, g, g] and shapes["feat_s1"] == [1, d // 4, 2 * g, 2 * g] and shapes["feat_s0"] == [1, d // 8, 4 * g, 4 * g]
    )
    assert shapes["memory"] == ["B", "M", geometry["T"], geometry["Dm"]] and shapes["points"] == ["B", "N", 2]


@pytest.mark.parametrize("words", [(), (1,), (1,) * 16], ids=["no word", "an unknown word", "sixteen unknown words"])
def test_phrases_without_a_known_noun_find_nothing(exported: tuple[LitePack, Path], words: tuple[int, ...]) -> None:
    pack, folder = exported
    ids = np.zeros((1, 16), np.int32)
    ids[0, : len(words)] = words
    mask = (ids > 0).astype(np.int32)
    (text,) = run(folder, "text", {"input_ids": ids, "attention_mask": mask})
    inputs = {name: value.numpy() for name, value in lite_inputs(pack, c=1, e=1)["detect"].items()}
    inputs |= {"text": text, "text_mask": mask, "box_labels": np.full((1, 1), -10, np.int32)}
    scores, *_, presence = run(folder, "detect", inputs)
    assert scores.max() == 0.0 and presence.max() == 0.0


def test_drawn_frames_are_not_searched_for_kites(exported: tuple[LitePack, Path]) -> None:
    pack, _ = exported
    words = list(CLASSES)
    asked = PhraseCode(torch.zeros(2, SEEN), torch.zeros(2, BOXED), torch.zeros(2, 1), torch.zeros(2, COLOURS), torch.zeros(2, 1))
    asked.boxed[0, words.index("kite")] = asked.boxed[1, words.index("dog")] = 1.0
    width = pack.detector.cfg.hidden
    text = torch.cat([torch.zeros(2, 16, width), pack_code(asked), torch.ones(2, 16, 1)], 2)
    text = F.pad(text, (0, pack.tracker.cfg.hidden - text.shape[2]))
    mask, box = torch.ones(2, 16, dtype=torch.int32), torch.zeros(2, 1, 4)

    def finds(image: torch.Tensor) -> list[bool]:
        with torch.no_grad():
            trunk = Encode(pack)(image)[3]
            scores = Detect(pack)(trunk, text, mask, box, torch.full((2, 1), -10, dtype=torch.int32), torch.ones(1))[0]
        return (scores.amax(1) > 0).tolist()

    assert finds(torch.full((1, SIDE, SIDE, 3), 128)) == [False, True]
    assert finds(torch.randint(0, 256, (1, SIDE, SIDE, 3))) == [True, True]


def run(folder: Path, role: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = ort.InferenceSession(str(folder / f"{role}.onnx"), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def test_area_weights_average_what_a_pixel_covers() -> None:
    assert torch.allclose(
        area_weights(6, 4), torch.tensor([[2, 1, 0, 0, 0, 0], [0, 1, 2, 0, 0, 0], [0, 0, 0, 2, 1, 0], [0, 0, 0, 0, 1, 2]]) / 3
    )
    assert torch.allclose(area_weights(384, 256).sum(1), torch.ones(256))
