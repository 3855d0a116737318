"""The tracker's memory reads: exact against a direct computation, and useful before any training."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from masklet_training.checkpoint import load_tracker, mean_of, trained_weights
from masklet_training.clips import Clip, ClipObject
from masklet_training.frame_cache import approach, zoom
from masklet_training.model.layers import convolve_shared
from masklet_training.model.lite import load_published
from masklet_training.model.lite_tracker import REFINING_PASSES, LiteTracker, plausible
from masklet_training.model.prompts import prompt_maps
from masklet_training.model.reads import (
    TileGrid,
    by_object,
    distinct_frames,
    join_cells,
    read_far,
    read_near,
    share,
    side_by_side,
    split_cells,
    split_tokens,
    weighted,
)
from masklet_training.model.tracker_config import PIXELS, SUBCELLS, TrackerConfig
from masklet_training.tracker_steps import LONGEST, clip_loss, playing_order, still_loss
from masklet_training.train_keys import read_loss

SIDE = 128


@pytest.fixture(scope="module")
def model() -> LiteTracker:
    torch.manual_seed(5)
    return LiteTracker(side=SIDE).eval()


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape), dim=-1)


def test_tiles_and_neighbourhoods_cover_the_map() -> None:
    grid = TileGrid(16)
    rows = torch.arange(256.0).view(1, 1, 16, 16)
    cells = split_tokens(join_cells(rows).flatten(2).transpose(1, 2))
    assert torch.equal(split_cells(join_cells(rows)), rows)
    assert torch.equal(grid.in_rows(cells)[0, :, 0], rows.flatten())
    assert torch.equal(grid.join(grid.tiles(cells))[0, :, 0], rows.flatten())
    around = grid.neighbourhoods_or_zeros(cells)[0, ..., 0]
    assert around.shape == (16, 64)
    # The first tile is the upper left one: only cells of rows and columns 0 to 5 lie within 2 cells of it.
    seen = {int(value) for value in around[0] if value > 0}
    assert seen == {row * 16 + column for row in range(6) for column in range(6)} - {0}


def test_near_reads_equal_a_direct_computation() -> None:
    torch.manual_seed(6)
    grid, heat = TileGrid(16), torch.tensor(12.0)
    query, keys, values = unit(256, 8), unit(4, 256, 8), torch.rand(2, 3, 256, 4)
    offset = torch.tensor([[0.0, -0.5, -1.0], [0.2, 0.0, 0.0]])

    def in_tokens(rows: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(rows).index_copy(-2, grid.order, rows)

    # Memories of two objects on four frames; the second object remembers the first two in another order.
    frame = torch.tensor([[0, 1, 2], [1, 0, 3]])
    memory = torch.cat([in_tokens(keys)[frame], in_tokens(values)], -1)
    frames, of_frame = distinct_frames(memory, 8)
    assert frames.shape == (4, 256, 12) and torch.equal(frames[..., :8], in_tokens(keys))
    assert torch.equal(of_frame.argmax(2), frame) and (of_frame.sum(2) == 1).all()
    counted = side_by_side(weighted(in_tokens(values), offset, heat), of_frame)
    got = by_object(read_near(grid, in_tokens(query), frames[..., :8], counted, heat), 5)
    similar = torch.exp(heat * (query @ keys.transpose(-1, -2) - 1.0))[frame] * torch.exp(offset).view(2, 3, 1, 1)
    rows, columns = torch.arange(256) // 16, torch.arange(256) % 16
    near = torch.zeros(256, 256)
    for index in range(256):
        top, left = index // 16 // 4 * 4, index % 16 // 4 * 4
        near[index] = ((rows >= top - 2) & (rows < top + 6) & (columns >= left - 2) & (columns < left + 6)).float()
    ones = torch.cat([values, torch.ones(2, 3, 256, 1)], -1)
    assert torch.allclose(got, ((similar * near) @ ones).sum(1), atol=1e-4, rtol=1e-3)
    everywhere = grid.in_rows(by_object(read_far(in_tokens(query), frames[..., :8], counted, heat), 5))
    assert torch.allclose(everywhere, (similar @ ones).sum(1), atol=1e-4, rtol=1e-3)


def test_objects_are_read_together_as_alone(model: LiteTracker) -> None:
    """Whichever frames objects remember, and whether they share them"""
    torch.manual_seed(11)
    g = SIDE // 16
    feat = torch.randn(1, model.cfg.hidden, g, g)
    keys = F.normalize(torch.randn(4, g * g, SUBCELLS, model.cfg.key), dim=-1).flatten(2)
    memory = torch.cat([keys[torch.tensor([[0, 1], [0, 1], [2, 1], [3, 0]])], torch.rand(4, 2, g * g, PIXELS)], -1)
    rows = torch.tensor([[6, 0], [6, 0], [6, 0], [6, 1]])
    with torch.no_grad():
        together = model.read(feat, memory, rows)
        alone = [model.read(feat, memory[b : b + 1], rows[b : b + 1]) for b in range(4)]
    for got, each in zip(together, zip(*alone)):
        assert torch.allclose(got, torch.cat(each), atol=1e-4)


def test_shares_of_cells_without_a_match_are_finite() -> None:
    value, match = share(torch.zeros(1, 4, 3))
    assert torch.equal(value, torch.zeros(1, 4, 2)) and torch.isfinite(match).all()


def test_a_still_frame_returns_the_remembered_mask(model: LiteTracker) -> None:
    """On the frame that was remembered, each cell finds itself, so the read is the mask: at stride 4, with a hole."""
    torch.manual_seed(7)
    g = SIDE // 16
    feat = torch.randn(1, model.cfg.hidden, g, g)
    appearance, keys, context = model.parts(feat)
    keys = join_cells(F.normalize(split_cells(keys), dim=1))
    feat = torch.cat([appearance, keys, context], 1)
    mask = torch.full((1, 1, 4 * g, 4 * g), -9.0)
    mask[..., 5:18, 8:25] = 9.0
    mask[..., 9:11, 14:17] = -9.0
    memory = model.remember(feat, mask, torch.ones(1), torch.ones(1)).unsqueeze(1)
    with torch.no_grad():
        fine = model.read(feat, memory, torch.tensor([[6]]))[1]
    assert ((fine > 0.5) == (mask > 0)).float().mean() > 0.99
    absent = model.remember(feat, mask, -torch.ones(1), torch.ones(1)).unsqueeze(1)
    with torch.no_grad():
        assert model.read(feat, absent, torch.tensor([[6]]))[1].max() < 1e-3


def test_memories_may_stand_in_any_order(model: LiteTracker) -> None:
    torch.manual_seed(8)
    g = SIDE // 16
    feat = torch.randn(1, model.cfg.hidden, g, g)
    frames = model.parts(torch.randn(4, model.cfg.hidden, g, g))[1]
    keys = join_cells(F.normalize(split_cells(frames), dim=1)).flatten(2).transpose(1, 2)
    memory = torch.cat([keys, torch.rand(4, g * g, PIXELS)], -1).expand(2, -1, -1, -1)
    rows = torch.tensor([[6, 0, 1, 2]]).expand(2, -1)
    order = [2, 0, 3, 1]
    with torch.no_grad():
        near, fine = model.read(feat, memory, rows)
        other, other_fine = model.read(feat, memory[:, order], rows[:, order])
    assert torch.allclose(near, other, atol=1e-4) and torch.allclose(fine, other_fine, atol=1e-5)


def test_pointers_compare_an_object_with_its_surroundings(model: LiteTracker) -> None:
    torch.manual_seed(9)
    g = SIDE // 16
    inside, outside = torch.randn(2, model.cfg.appearance, 1, 1)
    mask = torch.full((1, 1, 4 * g, 4 * g), -9.0)
    mask[..., 8:24, 8:24] = 9.0
    where = (F.avg_pool2d(mask, 4) > 0).float()
    feat = F.pad(where * inside + (1 - where) * outside, (0, 0, 0, 0, 0, model.cfg.hidden - model.cfg.appearance))
    with torch.no_grad():
        pointer = model.pointer(feat, mask, torch.ones(1))
        likeness = model.likeness(feat, pointer, torch.zeros(1, 1))
        nothing = model.likeness(feat, pointer[:, :0], torch.zeros(1, 0))
    assert (likeness[:, 2:][where > 0] > 0.05).all() and (likeness[:, 2:][where == 0] < -0.05).all()
    assert nothing.shape == (1, 3, g, g) and float(nothing.abs().max()) == 0.0
    assert float(model.pointer(feat, mask, -torch.ones(1)).abs().max()) == 0.0


def test_the_chosen_mask_of_a_prompt_without_a_previous_mask_is_refined(model: LiteTracker) -> None:
    torch.manual_seed(12)
    m = SIDE // 4
    points = torch.tensor([[[0.2, 0.2], [0.7, 0.8]]] * 4)
    labels = torch.tensor([[2, 3], [1, -1], [1, 0], [2, 3]])
    has_mask = torch.tensor([0.0, 0.0, 0.0, 1.0])
    mask_in = torch.randn(4, 1, m, m) * 4
    with torch.no_grad():
        levels = model.encode(torch.rand(1, 3, SIDE, SIDE) * 255)
        masks, iou, score, best = model.prompt(levels, points, labels, mask_in, has_mask)
        once, once_iou, once_score = model.segment(levels, points, labels, mask_in, has_mask)
        assert best.tolist() == [0, int(once_iou[1].argmax()), 0, 0]
        rows = torch.arange(4)
        expected = once[rows, best].unsqueeze(1)
        for _ in range(REFINING_PASSES):
            again, again_iou, _ = model.segment(levels, points, labels, expected, torch.ones(4))
            expected = again[:, :1]
    expected = plausible(expected, prompt_maps(points, labels, mask_in, has_mask))
    once[rows[:3], best[:3]], once_iou[rows[:3], best[:3]] = expected[:3, 0], again_iou[:3, 0]
    assert torch.allclose(masks, once) and torch.allclose(iou, once_iou) and torch.equal(score, once_score)


def test_masks_of_areas_without_texture_are_neither_empty_nor_the_whole_frame(model: LiteTracker) -> None:
    m = SIDE // 4
    points = torch.tensor([[[0.25, 0.25], [0.75, 0.5]], [[0.5, 0.5], [0.0, 0.0]], [[0.5, 0.5], [0.505, 0.505]]])
    labels = torch.tensor([[2, 3], [1, -1], [2, 3]])
    maps = prompt_maps(points, labels, torch.zeros(3, 1, m, m), torch.zeros(3))
    torch.manual_seed(3)
    empty = torch.rand(3, 1, m, m) * 4 - 29
    shown = (plausible(empty, maps) > 0)[:, 0]
    assert 0 < shown[0].sum() <= 0.14 * m * m and not shown[0, : m // 4 - 1].any() and not shown[0, :, : m // 4 - 1].any()
    assert 0 < shown[1].sum() < 0.04 * m * m
    assert 0 < shown[2].sum() <= 4
    everything = (plausible(torch.full((3, 1, m, m), 9.0), maps) > 0).float().mean((1, 2, 3))
    assert everything[0] == 0.125 and everything[1] < 0.04  # the box covers an eighth of the frame
    certain = torch.where((maps[:, 4:5] > 0) | (maps[:, 1:2] > 0.3), 2.5, -9.0)
    assert torch.equal(plausible(certain, maps), certain)


def test_of_the_mask_of_a_click_the_piece_under_it_remains() -> None:
    m = SIDE // 4
    logits = torch.full((3, 1, m, m), -5.0)
    logits[:, :, 4:10, 4:28] = logits[:, :, 4:28, 4:10] = 5.0  # an angle
    logits[:, :, 20:28, 20:28] = 6.0  # another object of the same look
    points = torch.tensor([[[0.2, 0.8], [0.0, 0.0]], [[0.75, 0.75], [0.2, 0.2]], [[0.55, 0.55], [1.0, 1.0]]])
    labels = torch.tensor([[1, -1], [1, 1], [2, 3]])
    shown = plausible(logits, prompt_maps(points, labels, torch.zeros(3, 1, m, m), torch.zeros(3)))[:, 0] > 0
    angle, square = torch.zeros(m, m, dtype=torch.bool), torch.zeros(m, m, dtype=torch.bool)
    angle[4:10, 4:28] = angle[4:28, 4:10] = square[20:28, 20:28] = True
    assert torch.equal(shown[0], angle) and torch.equal(shown[1], angle | square) and torch.equal(shown[2], square)


def test_stills_are_cut_around_an_object_that_stays_visible() -> None:
    ids = np.zeros((1, 200, 200), np.uint8)
    ids[0, 40:60, 150:190] = 1
    ids[0, 120:190, 20:100] = 2
    frames = np.repeat(ids[..., None] * 100, 3, 3)
    clip = Clip(frames, ids, [ClipObject([]), ClipObject([]), ClipObject([])])
    for seed in range(20):
        cut = zoom(clip, np.random.default_rng(seed), 64)
        assert cut is not None
        assert cut.frames.shape == (1, 64, 64, 3) and cut.ids.shape == (1, 64, 64)
        assert max((cut.ids == 1).mean(), (cut.ids == 2).mean()) > 0.03
        # The object's pixels, apart from those at its edge, have its colour.
        inner = cv2.erode((cut.ids[0] == 2).astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=0) > 0
        assert (cut.frames[0, ..., 0][inner] > 180).all()
    blank = Clip(frames * 0, ids * 0, clip.objects)
    assert zoom(blank, np.random.default_rng(1), 64) is None


def test_clips_of_approaches_show_the_smallest_object_grow_or_shrink() -> None:
    ids = np.zeros((6, 200, 200), np.uint8)
    for t in range(6):
        ids[t, 40 + 5 * t : 60 + 5 * t, 150 - 9 * t : 170 - 9 * t] = 1
        ids[t, 120:190, 20:100] = 2
    clip = Clip(np.repeat(ids[..., None] * 100, 3, 3), ids, [ClipObject([]), ClipObject([])])
    grown = []
    for seed in range(30):
        cut = approach(clip, np.random.default_rng(seed), 64)
        assert cut is not None
        areas = (cut.ids == 1).mean((1, 2))
        assert cut.frames.shape == (6, 64, 64, 3)
        assert min(areas[0], areas[-1]) == pytest.approx(0.01, abs=0.003)
        assert max(areas[0], areas[-1]) > 0.08
        # A square has at least 48 pixels, so the growth may end before the clip.
        steps = np.sign(np.diff(areas))
        assert (steps * steps[0] >= 0).all()
        grown.append(steps[0] > 0)
    assert 10 < sum(grown) < 29
    hidden = ids.copy()
    hidden[3] = 0
    assert approach(Clip(clip.frames, hidden, clip.objects), np.random.default_rng(1), 64) is None


def test_clips_are_played_back_and_forth_without_jumps() -> None:
    rng = np.random.default_rng(1)
    orders = [playing_order(4, rng) for _ in range(60)]
    assert all(order[0] == 0 and 4 <= len(order) <= LONGEST for order in orders)
    assert {len(order) for order in orders} == set(range(4, LONGEST + 1))
    assert max(orders, key=len) == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]


def test_what_objects_share_is_convolved_once() -> None:
    torch.manual_seed(14)
    layer = torch.nn.Conv2d(5, 4, 3, padding=1)
    own, shared = torch.randn(3, 2, 8, 8), torch.randn(1, 3, 8, 8)
    whole = layer(torch.cat([own, shared.expand(3, -1, -1, -1)], 1))
    assert torch.allclose(convolve_shared(layer, own, shared), whole, atol=1e-5)


def test_keys_learn_to_find_an_object_again() -> None:
    torch.manual_seed(15)
    model = LiteTracker(side=SIDE)
    with torch.no_grad():
        features = {stride: values.half() for stride, values in model.backbone(torch.rand(2, 3, SIDE, SIDE) * 255).items()}
    labels = torch.zeros(1, 2, SIDE // 4, SIDE // 4, dtype=torch.uint8)
    labels[0, 0, 4:20, 4:20] = labels[0, 1, 8:24, 12:28] = 255
    stored = {"features": features, "labels": labels}
    optimiser = torch.optim.Adam(model.head.parameters(), 1e-3)
    found = []
    for _ in range(25):
        result = read_loss(model, stored, np.random.default_rng(2))
        assert result is not None
        optimiser.zero_grad()
        result[0].backward()
        optimiser.step()
        found.append(result[1])
    assert found[-1] > found[0] + 0.15
    assert read_loss(model, stored | {"labels": labels * 0}, np.random.default_rng(2)) is None


def test_checkpoints_have_a_mean() -> None:
    first = {"average": {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)}, "step": 1}
    last = {"average": {"w": torch.tensor([3.0, 6.0]), "n": torch.tensor(5)}, "step": 2}
    mean = mean_of([first, last])
    assert mean["average"]["w"].tolist() == [2.0, 4.0] and int(mean["average"]["n"]) == 5 and mean["step"] == 2


def test_sides_that_cannot_be_divided_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 32, not 200"):
        LiteTracker(side=200)


def test_a_training_step_lowers_the_loss_of_its_clip() -> None:
    torch.manual_seed(10)
    model = LiteTracker(side=SIDE)
    model.backbone.requires_grad_(False)
    images = torch.rand(3, 3, SIDE, SIDE) * 255
    with torch.no_grad():
        features = {stride: values.half() for stride, values in model.backbone(images).items()}
    labels = torch.zeros(1, 3, SIDE // 4, SIDE // 4, dtype=torch.uint8)
    for t in range(3):
        labels[0, t, 6 : 6 + 14, 4 + 2 * t : 18 + 2 * t] = 255
    stored = {"features": features, "labels": labels}
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-3)
    totals = []
    for _ in range(6):
        result = clip_loss(model, stored, np.random.default_rng(3), 2, 2, 0.0)
        assert result is not None
        loss, parts = result
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        totals.append(parts["track"] + parts["prompt"])
    assert totals[-1] < totals[0]
    still = {"features": {stride: values[:1] for stride, values in features.items()}, "labels": labels[:, :1]}
    prompted = still_loss(model, still, np.random.default_rng(4), 2)
    assert prompted is not None and prompted[0].requires_grad and prompted[1]["still_prompt"] > 0
    assert still_loss(model, still | {"labels": still["labels"] * 0}, np.random.default_rng(4), 2) is None
    empty = {"features": features, "labels": labels * 0}
    assert clip_loss(model, empty, np.random.default_rng(3), 2, 2, 0.0) is None


def test_published_weights_are_those_of_the_checkpoint_without_the_pretrained_network(tmp_path: Path) -> None:
    tracker = LiteTracker(TrackerConfig("lite0"), SIDE).eval()
    tracker.backbone.net.load_state_dict(load_published("lite0").state_dict())
    saved = {"average": tracker.state_dict(), "model": {}, "optimiser": {}, "network": "lite0", "step": 7, "spent": 60.0}
    published = trained_weights(saved)
    assert set(published) == {"average", "network", "step", "spent"}
    assert trained_weights({"average": {}, "model": {}, "words": ["dog"]}) == {"average": {}, "words": ["dog"]}
    assert not any(name.startswith("backbone.net.") for name in published["average"])
    torch.save(published, tmp_path / "tracker.pt")
    loaded, facts = load_tracker(tmp_path / "tracker.pt", SIDE)
    assert (facts["step"], facts["spent"]) == (7, 60.0)
    for name, value in loaded.state_dict().items():
        expected = tracker.state_dict()[name]
        assert torch.equal(value, expected if name.startswith("backbone.net.") else expected.half().float()), name
