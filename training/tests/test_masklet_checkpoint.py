"""The exporter's errors for unusable checkpoints"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from masklet_export.__main__ import main
from masklet_export.checkpoint import card_license, open_checkpoint, processor_settings
from masklet_export.family import ExportError, expect


def checkpoint(folder: Path, config: dict[str, object]) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def test_a_folder_without_config_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no config.json; expected a checkpoint of transformers"):
        open_checkpoint(str(tmp_path), None, None)


def test_a_folder_without_weights_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ExportError, match=r"no \*\.safetensors"):
        open_checkpoint(str(tmp_path), None, None)


def test_a_path_that_is_no_folder_is_not_looked_up_on_the_hub() -> None:
    with pytest.raises(ExportError, match="neither a folder nor the name of a hub repository"):
        open_checkpoint("./missing", None, None)


def test_another_kind_of_model_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint(tmp_path, {"model_type": "clip"})
    assert main([str(tmp_path), "--out", str(tmp_path / "pack")]) == 1
    printed = capsys.readouterr().err
    assert "has the model_type 'clip', expected one of sam3_video, sam2_video, edgetam_video." in printed
    assert not (tmp_path / "pack").exists()


def test_a_missing_tokenizer_file_is_named(tmp_path: Path) -> None:
    checkpoint(tmp_path, {"model_type": "sam3_video"})
    with pytest.raises(ExportError, match="--tokenizer .*nothing.json: no such file"):
        open_checkpoint(str(tmp_path), None, tmp_path / "nothing.json")


def test_statistics_and_licence_are_read_from_the_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": {"image_mean": [0.1, 0.2, 0.3]}}))
    assert processor_settings(tmp_path) == {"image_mean": [0.1, 0.2, 0.3]}
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\nlicense: none of this\n")
    assert card_license(tmp_path) == "apache-2.0"
    (tmp_path / "README.md").write_text("license: mit\n")
    assert card_license(tmp_path) is None


def test_values_outside_the_contract_are_reported_with_the_expected_ones() -> None:
    with pytest.raises(ExportError, match=r"cannot be expressed as a pack: num_multimask_outputs is 4, expected 3\."):
        expect(4, 3, "num_multimask_outputs")
