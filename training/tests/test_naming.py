"""The namer's inputs for a region, and the replay of regions for training"""

from __future__ import annotations

import torch

from masklet_training.model.config import CompactConfig
from masklet_training.model.detector import EVIDENCE, LEADS, OF_PICTURE, PLAIN_VARIETY, ConceptDetector, pack_trunk
from masklet_training.model.mask_refiner import MaskRefiner
from masklet_training.model.naming import PLACES, SHARP_PLACES, RegionNamer, RegionViews, region_views
from masklet_training.model.regions import main_piece
from masklet_training.region_naming import Regions
from masklet_training.region_replay import RegionReplay


def disc(side: int, x: float, y: float, radius: float) -> torch.Tensor:
    """A soft disc [side,side]; centre and radius are shares of the side."""
    axis = (torch.arange(side) + 0.5) / side
    distance = ((axis[None, :] - x) ** 2 + (axis[:, None] - y) ** 2).sqrt()
    return torch.sigmoid((radius - distance) * side * 2)


def views(x: float, y: float, radius: float) -> RegionViews:
    """Views of a disc whose left half is brighter; they depend only on its proportions."""

    def level(side: int, channels: int) -> torch.Tensor:
        axis = (torch.arange(side) + 0.5) / side
        left = torch.sigmoid((x - axis) * side * 2).expand(side, side)
        return (disc(side, x, y, radius) * left).expand(1, channels, side, side)

    return region_views(level(32, 96), level(64, 32), level(128, 3), disc(64, x, y, radius)[None, None])


def test_views_are_independent_of_position_and_size() -> None:
    first, second = views(0.3, 0.35, 0.2), views(0.62, 0.55, 0.3)
    assert first.sharp.shape == (1, 4, SHARP_PLACES, SHARP_PLACES) and first.fine.shape[2:] == (PLACES, PLACES)
    for a, b in ((first.sharp, second.sharp), (first.fine, second.fine)):
        half = a.shape[-1] // 2
        assert (a - b).abs().mean() < 0.05
        assert a[:, 0, :, :half].mean() > 0.4 and a[:, 0, :, half:].mean() < 0.1
    assert torch.allclose(second.extent - first.extent, torch.log(torch.tensor(1.5)), atol=0.15)


def test_the_trunk_contains_the_picture() -> None:
    cfg = CompactConfig()
    levels = torch.randn(1, cfg.hidden, 4, 4), torch.randn(1, cfg.feat_s1, 8, 8), torch.randn(1, cfg.feat_s0, 16, 16)
    picture = torch.randn(1, 3, 64, 64)
    trunk = pack_trunk(*levels, picture)
    assert trunk.shape[1] == cfg.trunk
    for given, back in zip((*levels, picture), ConceptDetector(cfg).unpack(trunk)):
        assert torch.equal(given, back)


def numbered(first: int, count: int) -> Regions:
    """Regions whose values all equal their number"""
    number = torch.arange(first, first + count).float()
    views = RegionViews(*(number.view(-1, *[1] * len(shape)).expand(-1, *shape) for shape in ((4, 6, 6), (3, 3, 3), (2, 2, 2), (2,))))
    return Regions(views, tuple((number % k == 1).unsqueeze(1).expand(-1, 5) for k in (2, 3)))


def test_the_oldest_regions_are_overwritten_and_the_others_are_unchanged() -> None:
    replay = RegionReplay(capacity=10)
    replay.add(numbered(0, 7))
    assert set(replay.draw(400).views.extent[:, 0].tolist()) == set(range(7))
    replay.add(numbered(7, 6))
    drawn = replay.draw(600)
    number = drawn.views.extent[:, 0]
    assert set(number.tolist()) == set(range(3, 13))
    for view in drawn.views:
        assert torch.equal(view.flatten(1)[:, 0], number)
    for k, truth in zip((2, 3), drawn.truth):
        assert torch.equal(truth[:, 4], number % k == 1)


def test_a_mirror_image_has_the_same_width_and_names() -> None:
    replay = RegionReplay(capacity=4)
    ramp = torch.arange(6.0).expand(1, 1, 6, 6)
    replay.add(Regions(RegionViews(ramp, ramp, ramp, torch.tensor([[1.0, 2.0]])), (torch.ones(1, 5, dtype=torch.bool),) * 2))
    drawn = [replay.draw(1) for _ in range(40)]
    first = {float(regions.views.sharp[0, 0, 0, 0]) for regions in drawn}
    assert first == {0.0, 5.0}
    for regions in drawn:
        assert torch.equal(regions.views.sharp, regions.views.coarse) and regions.views.extent.tolist() == [[1.0, 2.0]]
        assert regions.truth[0].all()


def test_both_branches_contribute() -> None:
    """The logits are the sum of those from features and from pixels."""
    torch.manual_seed(2)
    cfg = CompactConfig()
    namer = RegionNamer(cfg, 96, 32).eval()
    seen = RegionViews(
        torch.randn(3, 4, SHARP_PLACES, SHARP_PLACES), torch.randn(3, 33, 12, 12), torch.randn(3, 96, 6, 6), torch.randn(3, 2)
    )
    concept = torch.randn(5, cfg.hidden)
    features = namer.by_features(seen.fine, seen.coarse, seen.extent) @ namer.by_features.name(concept).T
    picture = namer.by_picture(seen.sharp, seen.extent) @ namer.by_picture.name(concept).T
    assert features.std() > 0 and picture.std() > 0
    assert torch.allclose(namer.describe(seen) @ namer.name(concept).T, features + picture, atol=1e-5)


def test_only_the_most_certain_piece_of_a_mask_remains() -> None:
    """A ring, which has no middle; a spot beside it, and one that touches it at a corner"""
    ring = ((disc(32, 0.4, 0.4, 0.25) - disc(32, 0.4, 0.4, 0.12)) > 0.5).float() * 0.9
    other = torch.zeros(32, 32)
    other[28:31, 28:31] = 0.7
    touching = torch.zeros(32, 32)
    edge = torch.nonzero(ring)[0]
    touching[edge[0] - 1, edge[1] - 1] = 0.6
    pieces = main_piece(torch.stack([ring + other + touching, torch.zeros(32, 32)]))
    assert torch.equal(pieces[0], (ring > 0.5).float()) and pieces[1].sum() == 0


def test_detected_masks_follow_the_picture() -> None:
    """Each candidate is described by one piece of its mask, refined with the picture that the namer sees."""
    torch.manual_seed(4)
    cfg = CompactConfig()
    detector = ConceptDetector(cfg).eval()
    p8, p4, picture = torch.randn(2, 96, 16, 16) * 3, torch.randn(2, 32, 32, 32) * 3, torch.randn(1, 3, 192, 192).expand(2, -1, -1, -1)
    concept = torch.randn(2, cfg.hidden)
    with torch.no_grad():
        _, _, _, before, _ = detector.peaks(p8, p4, concept)
        _, real, _, after, _ = detector.candidates(p8, p4, picture, concept)
        described = real.bool()
        coarse, refined = torch.sigmoid(before[described]), after[described]
        pieces = main_piece(coarse)
        assert ((coarse > 0.5) & (pieces < 0.5)).any()
        clean = torch.where((coarse > 0.5) & (pieces < 0.5), 0.0, coarse)
        expected, _ = MaskRefiner()(clean, picture[:1])
    assert torch.allclose(torch.sigmoid(refined), torch.sigmoid(expected), atol=1e-4)


def test_a_shape_that_another_name_fits_much_better_is_excluded() -> None:
    """By both branches of the namer; names of pictures are not excluded."""
    detector = ConceptDetector(CompactConfig()).eval()
    # Below both limits of the first pair, of the second pair, of neither, and below one limit of each.
    leads = torch.tensor([[-3.5, -1.5], [-1.5, -2.5], [-2.0, -1.5], [-3.5, 0.5], [0.5, -9.0], [-3.5, -2.5]])
    evidence = torch.zeros(6, EVIDENCE)
    evidence[:, LEADS] = leads
    evidence[5, OF_PICTURE] = 1.0
    with torch.no_grad():
        excluded = torch.sigmoid(detector.score(evidence)) < 1e-3
    assert excluded.tolist() == [True, True, False, False, False, False]


def test_a_name_with_a_pattern_needs_a_region_with_one() -> None:
    """On a frame of one colour, and on one of coloured spots"""
    torch.manual_seed(4)
    cfg = CompactConfig()
    detector = ConceptDetector(cfg).eval()
    concept = torch.randn(1, cfg.hidden)
    detector.evidence_names[0] = detector.namer.name(concept)[0].detach()  # the concept is the first name
    p8, p4 = torch.randn(1, 96, 16, 16) * 3, torch.randn(1, 32, 32, 32) * 3
    spots = torch.randn(1, 3, 48, 48).repeat_interleave(4, 2).repeat_interleave(4, 3) * 4.0

    def found(picture: torch.Tensor, patterned: float) -> int:
        detector.patterned[0] = patterned
        with torch.no_grad():
            return int(detector.candidates(p8, p4, picture, concept)[1].sum())

    plain = torch.zeros(1, 3, 192, 192)
    assert found(plain, 0.0) > found(plain, 1.0)
    assert found(spots, 0.0) == found(spots, 1.0)


def test_patterned_regions_have_a_variety_of_colours() -> None:
    """A plain disc, a striped one, and one of a few pixels"""
    columns = (torch.arange(384) // 6 % 2).float().expand(3, 384, 384)
    truths = [disc(384, 0.3, 0.3, 0.15), disc(384, 0.7, 0.6, 0.15)]
    picture = (columns * truths[1] + truths[0]).unsqueeze(0) * 2.0 - 1.0
    masks = torch.stack([disc(64, 0.3, 0.3, 0.15), disc(64, 0.7, 0.6, 0.15), torch.zeros(64, 64)])
    plain, striped, small = MaskRefiner()(masks, picture)[1].tolist()
    assert plain < 0.1 < PLAIN_VARIETY < 1.0 < striped and small == float("inf")


def test_a_refined_mask_fills_the_colour_in_which_most_of_it_lies() -> None:
    """A displaced mask, one that is too small, and one in a corner of the frame, of discs on a background with a gradient"""
    places = ((0.4, 0.45, 0.2), (0.7, 0.6, 0.15), (0.05, 0.02, 0.25))
    gradient = torch.linspace(-0.3, 0.3, 384).expand(3, 384, 384)
    for x, y, radius in places:
        truth = disc(384, x, y, radius)
        colour = torch.tensor([1.0, -1.0, 0.5]).view(3, 1, 1)
        picture = (gradient * (1 - truth) + colour * truth).unsqueeze(0)
        cells = disc(96, x, y, radius) > 0.5
        for given in ((x + 0.03, y + 0.02, radius), (x, y, radius * 0.88)):
            refined = MaskRefiner()(disc(64, *given).unsqueeze(0), picture)[0][0] > 0
            assert overlap(refined, cells) > 0.92 > 0.87 > overlap(disc(96, *given) > 0.5, cells)


def test_a_refined_mask_on_one_colour_loses_only_its_corners() -> None:
    picture = torch.zeros(1, 3, 256, 256)
    square = torch.zeros(64, 64)
    square[20:40, 13:47] = 1
    refined, _ = MaskRefiner()(torch.stack([square, torch.zeros(64, 64), torch.ones(64, 64)]), picture)
    assert overlap(refined[0] > 0, square > 0.5) > 0.85
    assert (refined[1] < -5).all() and (refined[2] > 2).all()


def overlap(a: torch.Tensor, b: torch.Tensor) -> float:
    """IoU"""
    return float((a & b).sum() / (a | b).sum())
