"""SAM 3's image encoder in blocks of windows computes the numbers of transformers' layers."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from transformers import Sam3ViTConfig
from transformers.models.sam3.modeling_sam3 import Sam3ViTModel

from masklet_export.families import open_family
from masklet_export.rows import PAGE
from masklet_export.spec import GraphSpec
from masklet_export.trace import trace
from masklet_export.windows import WindowedLayers, from_windows, in_windows
from parity.make_models import MAKERS, Sizes, scramble_parameters

pytestmark = pytest.mark.usefixtures("without_gradients")
torch.set_num_threads(1)


def vit(*, grid: int, window: int, width: int = 48, hidden: int = 100, heads: int = 3, globals_: tuple[int, ...] = (1,)) -> nn.Module:
    config = Sam3ViTConfig(
        hidden_size=width, intermediate_size=hidden, num_hidden_layers=3, num_attention_heads=heads, image_size=14 * grid,
        patch_size=14, window_size=window, global_attn_indexes=list(globals_), pretrain_image_size=14 * grid,
    )  # fmt: skip
    return scramble_parameters(Sam3ViTModel(config), 3).eval()


def through_layers(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    for layer in model.layers:
        x = layer(x)
    return x


@pytest.mark.parametrize(
    "model",
    [
        dict(grid=8, window=4),  # several windows in a block
        dict(grid=60, window=20),  # each window is a block
        dict(grid=54, window=18),  # the last block is as large as the others
        dict(grid=35, window=7),  # the last block is smaller than the others
        dict(grid=6, window=3, globals_=(0, 2)),
        dict(grid=4, window=2, width=PAGE, hidden=PAGE, heads=16),  # padded rows, including the hidden ones
    ],
    ids=str,
)
def test_blocks_of_windows_equal_the_layers(model: dict) -> None:
    layers, x = vit(**model), torch.randn(1, model["grid"], model["grid"], model.get("width", 48))
    expected = through_layers(layers, x)
    torch.testing.assert_close(WindowedLayers(layers.layers, model["grid"])(x), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(("width", "grid"), [(48, 35), (PAGE, 10)])
def test_the_graph_of_blocks_equals_the_layers(width: int, grid: int) -> None:
    layers, x = vit(grid=grid, window=5, width=width, heads=4), torch.randn(1, grid, grid, width)
    expected = through_layers(layers, x)
    model, weights = trace(WindowedLayers(layers.layers, grid), GraphSpec("encode", ("x",), ("y",), {}), {"x": x})
    assert {node.op_type for node in model.graph.node if node.domain == "com.microsoft"} == {"MultiHeadAttention", "RotaryEmbedding"}
    for name, values in weights.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    got = session.run(None, {"x": x.numpy()})[0]
    np.testing.assert_allclose(got, expected.numpy(), atol=3e-5, rtol=1e-4)


def test_windows_and_back() -> None:
    x = torch.arange(36.0).view(1, 6, 6, 1)
    windows = in_windows(x, 3)
    assert windows[1, :, 0].tolist() == [3, 4, 5, 9, 10, 11, 15, 16, 17]
    assert torch.equal(from_windows(windows, 6, 3), x)


def test_windows_that_do_not_tile_are_rejected() -> None:
    with pytest.raises(ValueError, match="tile 10 x 10"):
        WindowedLayers(vit(grid=10, window=4).layers, 10)


@pytest.mark.parametrize(("form", "grid", "windowed"), [("fused", 8, True), ("fused", 10, False), ("standard", 8, False)])
def test_fused_packs_use_blocks_where_windows_tile(form: str, grid: int, windowed: bool) -> None:
    model = MAKERS["sam3"](Sizes(side=14 * grid), 5)  # windows of 4
    encode = open_family(model, form, kept=None, processor={}).modules()["encode"]
    assert isinstance(encode.layers, WindowedLayers) == windowed
