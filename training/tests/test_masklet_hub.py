"""The exporter's command with a local hub, through the hub's own client"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from local_hub import COMMIT, LocalHub, etag
from safetensors.torch import load_file, save_file

from masklet_export.family import ExportError
from masklet_export.hub import download
from parity.make_models import DEFAULT_SIDES, MAKERS, Sizes

TRAINING = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    MAKERS["edgetam"](Sizes(side=DEFAULT_SIDES["edgetam"]), 5).save_pretrained(folder)
    # Tensors that are not in the model are ignored; they make the file larger than one download piece.
    weights = load_file(folder / "model.safetensors") | {"unused": torch.zeros(5 << 20)}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (folder / "original.pt").write_bytes(bytes(200_000))
    return folder


@dataclass
class Result:
    status: int
    out: str
    error: str

    @property
    def sentence(self) -> str:
        """The error message of a failed run, one line; the hub's client may print warnings above it."""
        assert self.status == 1 and "Traceback" not in self.error
        return self.error.strip().splitlines()[-1]


def export(hub: str, home: Path, *arguments: str, terminal: bool = False) -> Result:
    """Runs the command with an empty or a given cache; optionally on a terminal, whose text is the error output."""
    settings = {"HF_ENDPOINT": hub, "HF_HOME": str(home), "PYTHONPATH": str(TRAINING), "OMP_NUM_THREADS": "1", "NO_PROXY": "*"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | settings
    command = [sys.executable, "-m", "masklet_export", *arguments]
    if not terminal:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return Result(done.returncode, done.stdout, done.stderr)
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=slave, text=True)
    os.close(slave)
    shown = b""
    try:
        while block := os.read(master, 4096):
            shown += block
    except OSError:  # how a terminal reports that its other end is closed
        pass
    os.close(master)
    out, _ = running.communicate()
    return Result(running.returncode, out, shown.decode(errors="replace"))


def test_a_repository_becomes_a_pack_that_names_it(checkpoint: Path, tmp_path: Path) -> None:
    with LocalHub(checkpoint) as hub:
        result = export(hub.url, tmp_path / "home", hub.name, "--revision", "small", "--out", str(tmp_path / "pack"), terminal=True)
        assert result.status == 0, result.error
        assert [(name, first) for name, first, _ in hub.sent] == [("model.safetensors", 0)], "only the required files"
    manifest = json.loads((tmp_path / "pack/manifest.json").read_text())
    assert manifest["source"]["repository"] == hub.name and manifest["source"]["revision"] == COMMIT
    assert manifest["id"] == "someone-small-tracker" and manifest["license"] == "Apache-2.0"
    size = (checkpoint / "model.safetensors").stat().st_size
    assert f"model.safetensors, {size / 1e6:.1f} MB" in result.out
    assert "model.safetensors: 100%" in result.error, "progress bar of the download"

    # The hub is stopped; the cached files are not requested again.
    again = export(hub.url, tmp_path / "home", hub.name, "--revision", "small", "--out", str(tmp_path / "again"))
    assert again.status == 0, again.error
    assert "the hub cannot be reached; using the copy in the cache" in again.out
    assert json.loads((tmp_path / "again/manifest.json").read_text())["source"] == manifest["source"]


def test_an_interrupted_download_is_resumed(checkpoint: Path, tmp_path: Path) -> None:
    """The client writes pieces of 10 MB; an incomplete piece is lost."""
    size, kept = (checkpoint / "model.safetensors").stat().st_size, constants.DOWNLOAD_CHUNK_SIZE
    asked = [tmp_path / "home", "someone/small-tracker", "--out", str(tmp_path / "pack")]
    with LocalHub(checkpoint, cut_at=kept + 1000) as hub:
        assert "the download was interrupted; run the same command to resume it" in export(hub.url, *asked).sentence
        assert {first for _, first, _ in hub.sent[1:]} == {kept}, "the client's own retry resumes there"
        assert not (tmp_path / "pack").exists()
        hub.cut_at = None
        hub.sent.clear()
        result = export(hub.url, *asked)
        assert result.status == 0, result.error
        assert f"{kept / 1e6:.1f} MB already downloaded" in result.out
        assert hub.sent == [("model.safetensors", kept, size - kept)]
    assert (tmp_path / "pack/manifest.json").is_file()


def test_weights_with_a_wrong_hash_are_rejected(checkpoint: Path, tmp_path: Path) -> None:
    """For example after a disk error in the partial file."""
    weights = (checkpoint / "model.safetensors").read_bytes()
    begun = tmp_path / "home/hub/models--someone--small-tracker/blobs" / f"{etag(weights)}.partial"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(bytes(len(weights) // 2))
    with LocalHub(checkpoint) as hub:
        result = export(hub.url, tmp_path / "home", hub.name, "--out", str(tmp_path / "pack"))
    assert "the hash of model.safetensors differs from the hub's; run the command again." in result.sentence
    assert not begun.exists()


def test_a_missing_licence_acceptance_is_reported_before_any_download(checkpoint: Path, tmp_path: Path) -> None:
    with LocalHub(checkpoint, gated=True) as hub:
        result = export(hub.url, tmp_path / "home", hub.name, "--out", str(tmp_path / "pack"))
        assert hub.sent == []
    assert result.sentence == (
        f"{hub.name}: this account has not accepted its licence. Accept it on {hub.url}/{hub.name}, "
        "log in with `hf auth login` (or set HF_TOKEN), and run the command again."
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["someone/else", None], "someone/else: no such repository on the hub, or one that this account cannot see"),
        (["someone/small-tracker", "large"], "someone/small-tracker: there is no revision 'large'."),
        (["someone/small--tracker", None], "someone/small--tracker: not the name of a repository: Cannot have -- or .."),
    ],
    ids=["repository", "revision", "name"],
)
def test_missing_repositories_and_revisions_are_named(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str | None], sentence: str
) -> None:
    with LocalHub(checkpoint) as hub, pytest.raises(ExportError) as caught:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        download(*arguments)
    assert str(caught.value).startswith(sentence)


def test_a_rejected_request_is_not_reported_as_an_interrupted_download(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalHub(checkpoint, unauthorized=True) as hub, pytest.raises(ExportError) as caught:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        download(hub.name, None)
    assert str(caught.value) == f"{hub.name}: the hub refused the request (401): Invalid credentials in Authorization header"


def test_without_hub_and_cache_the_export_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalHub(tmp_path) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ExportError, match="^a/b: the hub cannot be reached, and no complete copy of it is in the cache.$"):
        download("a/b", None)
