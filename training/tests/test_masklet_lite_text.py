"""A pack of SAM 3 with SAM 3 Lite's text encoder encodes phrases like `Sam3LiteTextModel`, including its processor's
padding.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from transformers import PreTrainedTokenizerFast, Sam3LiteTextConfig, Sam3LiteTextModel

from masklet_export.__main__ import main
from parity.make_models import DEFAULT_SIDES, MAKERS, Sizes, make_tokenizer, scramble_parameters

pytestmark = pytest.mark.usefixtures("without_gradients")
torch.set_num_threads(1)
SIZES = Sizes(side=DEFAULT_SIDES["sam3"])
LENGTH = SIZES.text_length


def lite_model(places: int, repmixer: bool, seed: int) -> nn.Module:
    """:param places: rows of the model's position table, which is interpolated to the phrase's length"""
    detr = {"hidden_size": SIZES.width, "num_attention_heads": 4, "num_layers": 1, "intermediate_size": 20}
    backbone = {"model_type": "sam3_vit_model", "hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 1,
                "num_attention_heads": 2, "image_size": 56, "window_size": 2, "pretrain_image_size": 28}  # fmt: skip
    config = Sam3LiteTextConfig(
        vision_config={"model_type": "sam3_vision_model", "backbone_config": backbone, "fpn_hidden_size": SIZES.width},
        text_config={
            "vocab_size": 300, "hidden_size": 36, "intermediate_size": 52, "projection_dim": 20, "num_hidden_layers": 4,
            "num_attention_heads": 3, "max_position_embeddings": places, "use_repmixer_blocks": repmixer,
            "repmixer_kernel_size": 5,
        },
        geometry_encoder_config=detr, detr_encoder_config=detr, detr_decoder_config=detr,
        mask_decoder_config={"hidden_size": SIZES.width, "num_attention_heads": 4},
    )  # fmt: skip
    torch.manual_seed(seed)
    return scramble_parameters(Sam3LiteTextModel(config), seed).eval()


@pytest.fixture(scope="module")
def sam3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sam3")
    MAKERS["sam3"](SIZES, 5).save_pretrained(folder)
    make_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def save_lite(model: nn.Module, folder: Path) -> PreTrainedTokenizerFast:
    """Saves the model in the hub's layout: the padding token is in the tokenizer's configuration file."""
    model.save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=make_tokenizer(), pad_token="<|endoftext|>")
    tokenizer.save_pretrained(folder)
    return tokenizer


def read(pack: Path, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(pack / "text.onnx"), providers=["CPUExecutionProvider"])
    return session.run(["text"], {"input_ids": ids.astype(np.int32), "attention_mask": mask.astype(np.int32)})[0]


@pytest.mark.parametrize(
    ("places", "repmixer", "precision", "limit"),
    [(LENGTH + 5, True, "fp32", 2e-5), (LENGTH - 2, True, "fp32", 2e-5), (LENGTH, False, "fp32", 2e-5), (LENGTH, True, "fp16", 1e-2)],
    ids=["more places", "fewer places", "no convolutions", "half precision"],
)
def test_phrases_are_encoded_as_by_the_model(sam3: Path, tmp_path: Path, places: int, repmixer: bool, precision: str, limit: float) -> None:
    model = lite_model(places, repmixer, places)
    tokenizer = save_lite(model, tmp_path / "lite")
    pack = tmp_path / "pack"
    asked = ["--text-encoder", str(tmp_path / "lite"), "--precision", precision]
    assert main([str(sam3), *asked, "--out", str(pack)]) == 0

    phrases = tokenizer(["red dog", "a", "dogs"], padding="max_length", max_length=LENGTH, return_tensors="pt")
    ids, mask = phrases.input_ids, phrases.attention_mask
    assert len(set(mask.sum(1).tolist())) == 3, "phrases of three lengths"
    expected = model.get_text_features(ids, attention_mask=mask, return_dict=True).pooler_output.numpy()
    got = read(pack, ids.numpy(), mask.numpy())
    assert expected.shape == got.shape == (3, LENGTH, SIZES.width)
    valid = mask.numpy().astype(bool)
    assert np.abs(expected - got)[valid].max() < limit * np.abs(expected).max()

    stored = json.loads((pack / "tokenizer.json").read_text())
    assert stored["padding"]["pad_id"] == tokenizer.pad_token_id
    if repmixer:
        other = read(pack, np.where(valid, ids.numpy(), 0), mask.numpy())
        assert np.abs(other - got)[valid].max() > 10 * limit, "the padding token affects the result"
    source = json.loads((pack / "manifest.json").read_text())["source"]
    assert source["textEncoder"]["checkpoint"] == "lite"


def test_checkpoints_of_the_wrong_kind_are_named(sam3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lite, tracker, out = tmp_path / "lite", tmp_path / "tracker", ["--out", str(tmp_path / "pack")]
    save_lite(lite_model(LENGTH, True, 1), lite)
    MAKERS["edgetam"](Sizes(side=DEFAULT_SIDES["edgetam"]), 5).save_pretrained(tracker)
    for asked, sentence in (
        (
            [str(lite)],
            "'sam3_lite_text', expected one of sam3_video, sam2_video, edgetam_video. It has no tracker; use it as --text-encoder with SAM 3.",
        ),
        ([str(sam3), "--text-encoder", str(sam3)], "has the model_type 'sam3_video', expected one of sam3_lite_text."),
        ([str(tracker), "--text-encoder", str(lite)], "--text-encoder is for SAM 3: the model type 'edgetam_video' has no text encoder."),
    ):
        assert main([*asked, *out]) == 1
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "pack").exists()
