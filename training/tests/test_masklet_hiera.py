"""The exporter's form of Hiera computes the same maps as transformers."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from transformers import Sam2HieraDetConfig
from transformers.models.sam2.modeling_sam2 import Sam2HieraDetModel

from masklet_export import hiera, rows
from masklet_export.families import open_family
from masklet_export.hiera import Plain, Windowed, independent_layers
from masklet_export.spec import GraphSpec
from masklet_export.trace import trace
from parity.make_models import DEFAULT_SIDES, MAKERS, Sizes, scramble_parameters

pytestmark = pytest.mark.usefixtures("without_gradients")
torch.set_num_threads(1)


def model_of(windows: list[int], everywhere: list[int], blocks: list[int], side: int = 256) -> nn.Module:
    config = Sam2HieraDetConfig(
        hidden_size=16, image_size=[side, side], blocks_per_stage=blocks, embed_dim_per_stage=[16, 32, 64, 256],
        num_attention_heads_per_stage=[1, 2, 4, 8], window_size_per_stage=windows, global_attention_blocks=everywhere,
        window_positional_embedding_background_size=[7, 7],
    )  # fmt: skip
    return scramble_parameters(Sam2HieraDetModel(config), 3).eval()


@pytest.mark.parametrize(("chunk_values", "group"), [(rows.CHUNK_VALUES, hiera.GROUP), (1000, 300)])
@pytest.mark.parametrize(
    ("windows", "everywhere", "blocks", "apart"),
    [
        ([8, 4, 14, 7], [4], [1, 2, 3, 1], 4),  # published configuration: windows of the third stage extend beyond the image
        ([4, 2, 8, 4], [4, 5], [1, 2, 3, 1], 4),
        ([8, 8, 8, 8], [], [2, 2, 1, 1], 3),
        ([8, 6, 8, 4], [4], [1, 2, 3, 1], 2),  # windows extend beyond the image from the second stage on
        ([16, 8, 4, 2], [0, 1], [2, 1, 1, 1], 0),
        ([8, 4, 2, 1], [], [1, 2, 1, 2], 6),
    ],
)
def test_maps_equal_those_of_transformers(
    windows: list[int], everywhere: list[int], blocks: list[int], apart: int, chunk_values: int, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "CHUNK_VALUES", chunk_values)
    monkeypatch.setattr(hiera, "GROUP", group)
    model, pixels = model_of(windows, everywhere, blocks), torch.randn(1, 3, 256, 256)
    expected = model(pixels).intermediate_hidden_states
    plain = Plain(model, 64)(pixels)
    assert independent_layers(model.blocks, 64) == apart
    Windowed(model, 64)  # must not change the model
    windowed = Windowed(model, 64)(pixels)
    for wanted, one, other in zip(expected, plain, windowed, strict=True):
        torch.testing.assert_close(one, wanted.permute(0, 3, 1, 2))
        torch.testing.assert_close(other, one, atol=5e-5, rtol=1e-5)


@pytest.mark.parametrize(("side", "group"), [(96, hiera.GROUP), (256, 300)])  # a single incomplete group of windows; several groups
def test_the_graph_of_windows_gives_the_maps(side: int, group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hiera, "GROUP", group)
    model, pixels = model_of([8, 4, 14, 7], [4], [1, 2, 3, 1], side), torch.randn(1, 3, side, side)
    names = ("a", "b", "c", "d")
    graph, weights = trace(Windowed(model, side // 4), GraphSpec("encode", ("pixels",), names, {}), {"pixels": pixels})
    for name, values in weights.items():
        graph.graph.initializer.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    for got, wanted in zip(session.run(None, {"pixels": pixels.numpy()}), Plain(model, side // 4)(pixels), strict=True):
        np.testing.assert_allclose(got, wanted.numpy(), atol=5e-5, rtol=1e-4)


@pytest.mark.parametrize(("form", "kind"), [("fused", Windowed), ("standard", Plain)])
def test_fused_packs_use_windows(form: str, kind: type) -> None:
    model = MAKERS["sam2"](Sizes(side=DEFAULT_SIDES["sam2"]), 5)
    assert isinstance(open_family(model, form, kept=None, processor={}).modules()["encode"].backbone, kind)
