"""Handling of rejected seeds and draws when golden files are recorded."""

from argparse import Namespace

import numpy as np
import pytest
import torch

from parity import families, graph_cases, make
from parity.draws import MAX_DRAWS, Rejected, first_accepted


def test_a_rejected_seed_is_followed_by_the_next_hundred(monkeypatch, tmp_path, capsys):
    tried = []

    def made(folder, seed, report):
        tried.append((folder.name, seed))
        if len(tried) < 3:
            raise Rejected("a rule was never applied")
        return seed

    monkeypatch.setitem(families.FAMILIES, "sam3", made)
    assert make.record("sam3", Namespace(seed=7, tries=8, work=tmp_path)) == 207
    assert tried == [("sam3-7", 7), ("sam3-107", 107), ("sam3-207", 207)]
    printed = capsys.readouterr().out
    assert "sam3, seed 7: a rule was never applied" in printed and "trying seed 107" in printed


def test_golden_files_are_kept_when_all_seeds_are_rejected(monkeypatch, tmp_path, capsys):
    def rejected(folder, seed, report):
        raise Rejected("a rule was never applied")

    monkeypatch.setitem(families.FAMILIES, "sam3", rejected)
    kept = tmp_path / "golden" / "sam3" / "golden.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    given = ["make", "--out", str(tmp_path / "golden"), "--work", str(tmp_path / "work"), "--only", "sam3", "--tries", "2"]
    monkeypatch.setattr("sys.argv", given)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    assert make.main() == 1
    assert kept.read_text() == "{}"
    assert "all 2 seeds were rejected" in capsys.readouterr().err


def test_draws_are_tried_in_order():
    messages = []

    def attempt(draw):
        if draw < 2:
            raise Rejected("depends on single pixels")
        return {"draw": draw}

    assert first_accepted("forward", attempt, messages.append) == {"draw": 2}
    assert messages == ["forward, draw 0: depends on single pixels", "forward, draw 1: depends on single pixels"]


def test_a_clip_without_an_accepted_draw_is_rejected():
    def attempt(draw):
        raise Rejected("depends on single pixels")

    with pytest.raises(Rejected, match=f"{MAX_DRAWS} draws"):
        first_accepted("forward", attempt, lambda line: None)


def test_a_rounding_sensitive_image_is_not_a_case():
    def evaluate(pixels: torch.Tensor):
        dark = bool(pixels.mean() < 0)
        return {"outputs": {"scores": (pixels[0, 0] + 1).numpy() if dark else np.ones((1, 2))}, "dark": dark}

    frames = np.zeros((3, 4, 4, 3), dtype=np.uint8)
    with pytest.raises(Rejected, match="3 images"):
        graph_cases._stable_picture(evaluate, frames)
    frames[1] = 255
    assert not graph_cases._stable_picture(evaluate, frames)["dark"]


def test_detections_that_rounding_may_reorder_are_not_a_case():
    assert graph_cases._order_is_stable(np.array([[0.9, 0.5, 0.4], [0.99, 0.99, 6e-6]]))
    assert not graph_cases._order_is_stable(np.array([[0.9, 0.5, 0.499999]]))
