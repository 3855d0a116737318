"""The tracker of the embedded pack, on frozen pretrained features. Each method is one graph of the Model Pack contract.

A frame reads the masks of remembered frames at the cells that resemble its own: near the same place at stride 8, and
everywhere at stride 16. This tracks objects without any training (as in label propagation: CRW, DINO). A small decoder
computes a mask at stride 4 from what was read.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Mlp, convolve_shared, masked_mean, upsample2
from .lite import EfficientNetLite, normalise
from .prompts import prompt_maps, selected_mask
from .reads import (
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
from .tracker_config import SUBCELLS, TrackerConfig

SEED_LOGIT = 10.0  # confidence of a given mask
ABSENT_LOGIT = -16.0  # mask logits of an absent object
REFINING_PASSES = 2  # of a prompt without a mask: J of first masks on development sequences rises by 0.01 to 0.03
LIKELIEST = 2.0  # mask logit of the likeliest cell of a prompted object, at least
LARGEST = 0.9  # share of the frame that a click marks at most
OUTSIDE = -4.0  # mask logit around a mask that is cut, at most
HOTTEST = 4.3  # logarithm of the largest inverse temperature
PRIOR_EDGE = 0.02  # shares are clamped to this distance from 0 and 1 before they become logits

Levels = tuple[Tensor, Tensor, Tensor]


class PlainResidual(nn.Module):
    """Two 3×3 convolutions and a shortcut, without norms: features are standardised. Starts as identity."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(F.relu(x))))


class Standardise(nn.Module):
    """Subtracts means and divides by standard deviations, measured on natural images (`measure_features.py`)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("scale", torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) * self.scale


class Backbone(nn.Module):
    """The pretrained network, and its features with zero mean and unit variance."""

    def __init__(self, cfg: TrackerConfig) -> None:
        super().__init__()
        self.net = EfficientNetLite(cfg.size)
        self.strides = EfficientNetLite.widths(cfg.size)
        self.scales = nn.ModuleDict({str(stride): Standardise(width) for stride, width in self.strides.items()})

    def forward(self, image: Tensor) -> dict[int, Tensor]:
        """image f32 0..255 [N,3,S,S] → features by stride: 4, 8, 16, 32, and averaged to stride 4, the pixels (as
        stride 1) and those of stride 2
        """
        pixels = normalise(image)
        raw = self.net(pixels)
        raw[2] = F.avg_pool2d(raw[2], 2)
        features = {stride: self.scales[str(stride)](raw[stride]) for stride in self.strides}
        features[1] = F.avg_pool2d(pixels, 4)
        return features


class Neck(nn.Module):
    """Standardised features of four strides → features of stride 8 that see the surroundings of a cell"""

    def __init__(self, cfg: TrackerConfig) -> None:
        super().__init__()
        width = EfficientNetLite.widths(cfg.size)
        self.context = nn.Conv2d(width[32], cfg.neck_context, 1)
        self.enter = nn.Conv2d(width[4] + width[8] + width[16] + cfg.neck_context, cfg.neck, 1)
        self.layers = nn.Sequential(*(PlainResidual(cfg.neck, dilation) for dilation in (1, 2)))

    def forward(self, features: dict[int, Tensor]) -> Tensor:
        """features from the backbone → [N,neck,2g,2g]"""
        context = upsample2(upsample2(self.context(features[32])))
        every = torch.cat([F.avg_pool2d(features[4], 2), features[8], upsample2(features[16]), context], 1)
        return F.relu(self.layers(self.enter(every)))


class FrameHead(nn.Module):
    """Standardised features → the three levels of the contract. Everything here is computed once for all objects."""

    def __init__(self, cfg: TrackerConfig) -> None:
        super().__init__()
        self.cfg = cfg
        width = EfficientNetLite.widths(cfg.size)
        self.key = nn.Conv2d(width[8] + width[16], cfg.key, 1, bias=False)
        self.neck = Neck(cfg)
        # Both start at zero, so that the keys are those of the pretrained features.
        self.key_shift = nn.Conv2d(cfg.neck, cfg.key, 1)
        self.shift8 = nn.Conv2d(cfg.neck, cfg.feat_s1, 1)
        for layer in (self.key_shift, self.shift8):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.context = nn.Conv2d(width[32], cfg.context, 1)
        self.enter8 = nn.Conv2d(width[8] + width[16], cfg.feat_s1, 1)
        self.at8 = PlainResidual(cfg.feat_s1)
        self.enter4 = nn.Conv2d(width[2] + width[4] + 3, cfg.feat_s0, 3, padding=1)

    def forward(self, features: dict[int, Tensor]) -> Levels:
        """features from the backbone → feat [N,D,g,g], feat_s1 [N,D/4,2g,2g], feat_s0 [N,D/8,4g,4g]"""
        both = torch.cat([features[8], upsample2(features[16])], 1)
        context = upsample2(self.context(features[32]))
        around = self.neck(features)
        keys = self.keys(features, around)
        feat = torch.cat([features[16], join_cells(keys), context], 1)
        s0 = self.enter4(torch.cat([features[1], features[2], features[4]], 1))
        return feat, self.at8(self.enter8(both) + self.shift8(around)), s0

    def keys(self, features: dict[int, Tensor], around: Tensor) -> Tensor:
        """features from the backbone, and the neck's → unit keys [N,key,2g,2g]"""
        return F.normalize(self.key(key_features(features)) + self.key_shift(around), dim=1)


def key_features(features: dict[int, Tensor]) -> Tensor:
    """Unit features of strides 8 and 16 side by side at stride 8 [N,·,2g,2g]; keys are projections of them."""
    return torch.cat([F.normalize(features[8], dim=1), upsample2(F.normalize(features[16], dim=1))], 1)


class TrackDecoder(nn.Module):
    """What was read from memory, with the frame's features → mask logits at stride 4, IoU and object score"""

    READ = 8  # votes and matches at stride 8, see `LiteTracker.read`
    SUMMARY = 6

    def __init__(self, cfg: TrackerConfig) -> None:
        super().__init__()
        self.down = nn.Conv2d(cfg.appearance + cfg.context, 32, 1)
        self.enter = nn.Conv2d(self.READ + 3 + 32 + cfg.feat_s1, cfg.wide, 3, padding=1)
        self.at8 = nn.Sequential(PlainResidual(cfg.wide), PlainResidual(cfg.wide, dilation=2))
        self.to4 = nn.Conv2d(cfg.wide, cfg.fine, 1)
        self.skip4 = nn.Conv2d(cfg.feat_s0 + 2, cfg.fine, 3, padding=1)
        self.at4 = PlainResidual(cfg.fine)
        self.mask = nn.Conv2d(cfg.fine, 1, 3, padding=1)
        self.trust = nn.Parameter(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1))
        self.judge = Mlp(2 * cfg.wide + self.SUMMARY, 64, 2)
        nn.init.zeros_(self.mask.weight)
        nn.init.zeros_(self.mask.bias)

    def forward(self, feats: Levels, appearance: Tensor, near: Tensor, fine: Tensor, far: Tensor, b: int) -> tuple[Tensor, Tensor, Tensor]:
        """appearance [1,·,g,g], near [B,READ,2g,2g], two votes at stride 4 as shares [B,2,4g,4g], far [B,3,g,g] → mask
        logits [B,1,4g,4g], predicted IoU [B] in 0..1, object score logit [B]

        :param b: number of objects, from the size of an input of the graph: the exporter treats the sizes of computed
            tensors as constants
        """
        _, s1, s0 = feats
        low = upsample2(torch.cat([self.down(appearance).expand(b, -1, -1, -1), far], 1))
        x8 = self.at8(convolve_shared(self.enter, torch.cat([near, low], 1), s1))
        prior = torch.logit(fine.clamp(PRIOR_EDGE, 1 - PRIOR_EDGE))
        x4 = self.at4(upsample2(self.to4(x8)) + convolve_shared(self.skip4, prior, s0))
        logits = self.mask(F.relu(x4)) + (self.trust * prior).sum(1, keepdim=True)
        prob = torch.sigmoid(logits)
        cells = F.avg_pool2d(prob, 2)
        summary = torch.cat([masked_mean(near, cells)[:, -4:], prob.amax((1, 2, 3)).view(-1, 1), cells.mean((1, 2, 3)).view(-1, 1)], 1)
        judged = self.judge(torch.cat([masked_mean(x8, cells), x8.mean((2, 3)), summary], 1))
        return logits, torch.sigmoid(judged[:, 0]), judged[:, 1]


class PromptDecoder(nn.Module):
    """Frame features, prompt maps and the similarity with what was prompted → four masks with scores"""

    MASKS = 4
    SIMILAR = 6
    MAPS = 11

    def __init__(self, cfg: TrackerConfig) -> None:
        super().__init__()
        wide = cfg.prompt_wide
        self.maps4 = nn.Conv2d(self.MAPS, 16, 3, padding=1)
        self.maps8 = nn.Conv2d(16, 24, 3, stride=2, padding=1)
        self.maps16 = nn.Conv2d(24, 32, 3, stride=2, padding=1)
        self.enter16 = nn.Conv2d(cfg.appearance + cfg.context + 32 + self.SIMILAR, wide, 1)
        self.at16 = nn.Sequential(PlainResidual(wide), PlainResidual(wide, dilation=2), PlainResidual(wide, dilation=4))
        self.to8 = nn.Conv2d(wide, cfg.wide, 1)
        self.enter8 = nn.Conv2d(cfg.feat_s1 + 24 + self.SIMILAR, cfg.wide, 3, padding=1)
        self.at8 = nn.Sequential(PlainResidual(cfg.wide), PlainResidual(cfg.wide, dilation=2))
        self.to4 = nn.Conv2d(cfg.wide, cfg.fine, 1)
        self.enter4 = nn.Conv2d(cfg.feat_s0 + 16, cfg.fine, 3, padding=1)
        self.at4 = PlainResidual(cfg.fine)
        self.masks = nn.Conv2d(cfg.fine, self.MASKS, 3, padding=1)
        self.iou = Mlp(2 * wide, 64, self.MASKS + 1)

    def forward(self, feats: Levels, appearance: Tensor, maps: Tensor, similar: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """appearance [1|B,·,g,g], maps [B,11,4g,4g], similarities at strides 16 and 8 [B,6,·,·] → mask logits
        [B,4,4g,4g], predicted IoU [B,4] in 0..1, object score logit [B]
        """
        b = maps.shape[0]
        _, s1, s0 = feats
        p4 = F.relu(self.maps4(maps))
        p8 = F.relu(self.maps8(p4))
        p16 = F.relu(self.maps16(p8))
        x16 = self.at16(self.enter16(torch.cat([appearance.expand(b, -1, -1, -1), p16, similar[0]], 1)))
        x8 = upsample2(self.to8(x16)) + self.enter8(torch.cat([s1.expand(b, -1, -1, -1), p8, similar[1]], 1))
        x8 = self.at8(x8)
        x4 = upsample2(self.to4(x8)) + self.enter4(torch.cat([s0.expand(b, -1, -1, -1), p4], 1))
        pooled = torch.cat([x16.mean((2, 3)), x16.amax((2, 3))], 1)
        judged = self.iou(pooled)
        return self.masks(F.relu(self.at4(x4))), torch.sigmoid(judged[:, :-1]), judged[:, -1]


class LiteTracker(nn.Module):
    """Pretrained features, memory reads and two small decoders"""

    def __init__(self, cfg: TrackerConfig | None = None, side: int = 384) -> None:
        """:param side: side of the images, a multiple of 32; the weights do not depend on it"""
        super().__init__()
        if side % 32:
            raise ValueError(f"side must be a multiple of 32, not {side}")
        self.cfg = cfg or TrackerConfig()
        self.side = side
        self.grid = TileGrid(side // 8)
        self.backbone = Backbone(self.cfg)
        self.head = FrameHead(self.cfg)
        self.decoder = TrackDecoder(self.cfg)
        self.prompt_decoder = PromptDecoder(self.cfg)
        # Logarithms of the inverse temperatures: near and far.
        self.heat = nn.Parameter(torch.tensor([3.0, 3.0]))
        # Logarithm of a memory's weight: at row 0, change per row, and of conditioning frames; near and far.
        self.age = nn.Parameter(torch.tensor([[0.0, -0.2, 0.0], [0.0, -0.2, 0.0]]))
        self.fade = nn.Parameter(torch.tensor(0.0))

    # ---- frames

    def encode(self, image: Tensor) -> Levels:
        """image f32 0..255 [N,3,S,S] → feat, feat_s1, feat_s0."""
        return self.head(self.backbone(image))

    def parts(self, feat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """feat [N,D,g,g] → appearance [N,·,g,g], keys of stride 8 side by side [N,4·key,g,g], context [N,·,g,g]"""
        cfg = self.cfg
        appearance, keys, context = feat.split([cfg.appearance, SUBCELLS * cfg.key, cfg.context], 1)
        return appearance, keys, context

    # ---- memory

    def remember(self, feat: Tensor, mask: Tensor, score: Tensor, binarize: Tensor) -> Tensor:
        """feat [1|B,D,g,g], mask logits [B,1,h,w], score f32 [B], binarize f32 [B] → memory [B,g²,Dm]"""
        side = feat.shape[-1] * 4
        logits = F.interpolate(mask, size=(side, side), mode="bilinear", align_corners=False)
        hard = binarize.view(-1, 1, 1, 1)
        prob = (logits > 0).float() * hard + torch.sigmoid(logits) * (1.0 - hard)
        prob = prob * (score > 0).float().view(-1, 1, 1, 1)
        keys = self.parts(feat)[1].expand(mask.shape[0], -1, -1, -1)
        cells = join_cells(F.pixel_unshuffle(prob, 2))
        return torch.cat([keys, cells], 1).flatten(2).transpose(1, 2)

    def read(self, feat: Tensor, memory: Tensor, memory_t: Tensor) -> tuple[Tensor, Tensor]:
        """feat [1,D,g,g], memory [B,M,g²,Dm], memory_t int [B,M] → votes and matches at stride 8 [B,8,2g,2g], and at
        stride 4 the votes of near cells of all memories and of conditioning frames alone [B,2,4g,4g]
        """
        cfg, g = self.cfg, feat.shape[-1]
        width = SUBCELLS * cfg.key
        frames, of_frame = distinct_frames(memory, width)
        keys, mask = frames[..., :width], memory[..., width:]
        rows = memory_t.long()
        recent = torch.arange(cfg.temporal_rows - 1, device=feat.device, dtype=feat.dtype)
        table = torch.cat([self.age[:, :1] + self.age[:, 1:2] * recent, self.age[:, 2:]], 1)  # [2,rows]
        near_offset, far_offset = table[0][rows], table[1][rows]
        heat = self.heats()
        query = self.parts(feat)[1].flatten(2).transpose(1, 2)[0]
        # At stride 8: a cell's key, and its four cells of stride 4.
        every = weighted(split_tokens(mask), near_offset, heat[0])
        given = every * (rows == cfg.temporal_rows - 1).to(feat.dtype)[..., None, None]
        values = side_by_side(torch.cat([every, given], -1), of_frame)
        sums = by_object(read_near(self.grid, split_tokens(query), split_tokens(keys), values, heat[0]), 2 * every.shape[-1])
        near_sums, first_sums = sums.chunk(2, -1)
        near, near_match = share(near_sums)
        first, first_match = share(first_sums)
        # At stride 16: the mean of the keys, and the mean of the mask.
        values16 = side_by_side(weighted(mask.mean(-1, keepdim=True), far_offset, heat[1]), of_frame)
        far, far_match = share(by_object(read_far(self.mean_key(query), self.mean_key(keys), values16, heat[1]), 2))

        def plane(cells: Tensor, side: int) -> Tensor:
            return cells.transpose(1, 2).unflatten(2, (side, side))

        coarse = upsample2(plane(torch.cat([far, far_match], -1), g))
        fine = F.pixel_shuffle(plane(torch.cat([near, first], -1), 2 * g), 2)
        mean = F.avg_pool2d(fine, 2)
        matches = plane(torch.cat([near_match, first_match], -1), 2 * g)
        far_vote, far_matched = coarse[:, :1], coarse[:, 1:]
        votes = torch.cat([mean[:, :1], fine_spread(fine[:, :1]), far_vote, mean[:, 1:], matches[:, :1], far_matched, matches[:, 1:]], 1)
        return torch.cat([votes, (mean[:, :1] - far_vote).abs()], 1), fine

    def heats(self) -> Tensor:
        """Inverse temperatures of the two reads [2]; above `HOTTEST`, sums of weights would not be finite."""
        return torch.exp(self.heat.clamp(max=HOTTEST))

    def mean_key(self, keys: Tensor) -> Tensor:
        """Keys of four cells side by side [...,4·key] → the unit mean [...,key]"""
        return F.normalize(keys.unflatten(-1, (SUBCELLS, self.cfg.key)).mean(-2), dim=-1)

    # ---- pointers

    def pointer(self, feat: Tensor, mask: Tensor, score: Tensor) -> Tensor:
        """feat [1,D,g,g], or [B,D,g,g] for k = 1, mask logits [B,k,4g,4g], score [B] → pointers [B,k,D]: the mean appearance of
        the object and of its surroundings; zero for absent objects
        """
        cfg, count = self.cfg, mask.shape[1]
        unit = F.normalize(self.parts(feat)[0], dim=1)
        inside = F.avg_pool2d(torch.sigmoid(mask), 4).flatten(0, 1).unsqueeze(1)
        around = (F.max_pool2d(inside, 7, 1, 3) - inside).clamp(min=0.0)
        pair = torch.cat([masked_mean(unit, inside), masked_mean(unit, around)], 1)
        pointer = F.pad(pair, (0, cfg.hidden - 2 * cfg.appearance)).unflatten(0, (-1, count))
        return pointer * (score > 0).to(feat.dtype).view(-1, 1, 1)

    def likeness(self, feat: Tensor, pointers: Tensor, pointer_dt: Tensor) -> Tensor:
        """Similarity of each cell with the object and with its surroundings, and their difference: feat [1|B,D,g,g],
        pointers [B,P,D], pointer_dt [B,P] → [B,3,g,g]. P may be 0: everything is then 0
        """
        cfg, g = self.cfg, feat.shape[-1]
        weight = torch.exp(-F.softplus(self.fade) * pointer_dt.abs()).unsqueeze(-1)
        mean = (pointers * weight).sum(1) / (weight.sum(1) + 1e-4)
        pair = F.normalize(mean[:, : 2 * cfg.appearance].unflatten(1, (2, cfg.appearance)), dim=-1, eps=1e-3)
        cells = F.normalize(self.parts(feat)[0], dim=1).flatten(2)
        both = pair @ cells  # [B,2,g²]
        return torch.cat([both, both[:, :1] - both[:, 1:]], 1).unflatten(2, (g, g))

    # ---- masks

    def track(
        self, levels: Levels, memory: Tensor, memory_t: Tensor, pointers: Tensor, pointer_dt: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One frame from memory → mask logits [B,1,m,m], IoU [B], object score [B], and the votes that were read [B,2,m,m]"""
        feat = levels[0]
        near, fine = self.read(feat, memory, memory_t)
        far = self.likeness(feat, pointers, pointer_dt)
        appearance, _, context = self.parts(feat)
        return *self.decoder(levels, torch.cat([appearance, context], 1), near, fine, far, memory.shape[0]), fine

    def segment(self, levels: Levels, points: Tensor, labels: Tensor, mask_in: Tensor, has_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A prompt without memory → mask logits [B,4,m,m], IoU [B,4], object score [B]"""
        appearance, keys, context = self.parts(levels[0])
        maps = prompt_maps(points, labels, mask_in, has_mask)
        similar = self.similar(appearance, keys, maps)
        return self.prompt_decoder(levels, torch.cat([appearance, context], 1), maps, similar)

    def prompt(
        self, levels: Levels, points: Tensor, labels: Tensor, mask_in: Tensor, has_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As `segment`, and the index of the mask to use, int64 [B]. Without a previous mask, further passes refine that mask:
        they read it with the same prompt. It is then neither empty nor, for a click, nearly the whole frame.
        """
        masks, iou, score = self.segment(levels, points, labels, mask_in, has_mask)
        best = selected_mask(labels, has_mask, iou)
        refined = (torch.arange(masks.shape[1]) == best.unsqueeze(1)) & (has_mask == 0).unsqueeze(1)  # [B,4]
        chosen = masks.gather(1, best.view(-1, 1, 1, 1).expand(-1, 1, *masks.shape[2:]))
        for _ in range(REFINING_PASSES):
            again, again_iou, _ = self.segment(levels, points, labels, chosen, torch.ones_like(has_mask))
            chosen = again[:, :1]
        chosen = plausible(chosen, prompt_maps(points, labels, mask_in, has_mask))
        masks = torch.where(refined[..., None, None], chosen, masks)
        return masks, torch.where(refined, again_iou[:, :1], iou), score, best

    def similar(self, appearance: Tensor, keys: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Similarity of cells with what the prompt marks inside and outside.

        For each of the two, a cell is compared with the mean of the marked cells, and with all of them one by one
        (softly, at the heat of far reads).
        """
        middle = (1.0 - maps[:, 6:7].square()).clamp(min=0.0) * (1.0 - maps[:, 7:8].square()).clamp(min=0.0) * maps[:, 4:5]
        inside = (maps[:, :1] + 0.3 * middle + maps[:, 9:10]).clamp(max=1.0)
        # Outside: clicks, everything beyond the box, and everything beyond a previous mask.
        outside = (maps[:, 2:3] + (1.0 - maps[:, 4:5]) * maps[:, 5:6] + (1.0 - maps[:, 9:10]) * maps[:, 10:11]).clamp(max=1.0)
        g = appearance.shape[-1]
        heat = self.heats()[1]
        levels = ((F.normalize(appearance, dim=1), 4, g), (split_cells(keys), 2, 2 * g))
        out = []
        for unit, pool, side in levels:
            cells = unit.flatten(2).transpose(1, 2)  # [1,side²,C]
            marks = F.avg_pool2d(torch.cat([inside, outside], 1), pool).flatten(2)  # [B,2,side²]
            mean = F.normalize((marks @ cells) / (marks.sum(2, keepdim=True) + 1e-4), dim=-1, eps=1e-3)
            means = mean @ cells.transpose(1, 2)  # [B,2,side²]
            if pool == 4:
                weights = torch.exp((cells * heat) @ cells.transpose(1, 2) - heat)  # [1,side²,side²], 1 on the diagonal
                ones = torch.log((marks @ weights - marks).clamp(min=0.0) + 1e-4) / heat
            else:
                ones = torch.zeros_like(means)
            maps_out = torch.cat([means, ones, means[:, :1] - means[:, 1:], ones[:, :1] - ones[:, 1:]], 1)
            out.append(maps_out.unflatten(2, (side, side)))
        return out[0], out[1]

    def seed(self, feat: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A given mask, f32 0..1 [B,1,h,w] → pointer [B,D], score [B] (±10), mask logits [B,1,m,m]"""
        side = feat.shape[-1] * 4
        resized = F.interpolate(mask, size=(side, side), mode="bilinear", align_corners=False)
        logits = (resized * 2.0 - 1.0) * SEED_LOGIT
        score = ((resized.flatten(1).amax(1) > 0.5).float() * 2.0 - 1.0) * SEED_LOGIT
        return self.pointer(feat, logits, score)[:, 0], score, logits


def plausible(masks: Tensor, maps: Tensor) -> Tensor:
    """Corrects the masks of prompts: mask logits [B,1,m,m], prompt maps [B,11,m,m] → mask logits.

    A box contains the mask, and of the mask of clicks only the pieces under positive clicks remain: decoders also mark objects
    of the same look. Of areas without texture, decoders mark nothing or everything. The likeliest cells in a box and around a
    click always belong to the object, and a mask that covers nearly the whole frame is cut to the surroundings of its click.
    """
    boxed, clicked = maps[:, 4:5] > 0, maps[:, 1:2] > 0.5
    near = (clicked | boxed).to(masks.dtype)
    peak = torch.where(near > 0, masks, masks.new_tensor(-1e4)).amax((2, 3), keepdim=True)
    raised = masks + F.relu(LIKELIEST - peak) * near
    everything = (raised > 0).to(masks.dtype).mean((1, 2, 3), keepdim=True) > LARGEST
    elsewhere = everything & (near == 0) | ~piece_at(raised > 0, clicked)
    has_box = maps[:, 5:6] > 0
    cut = (has_box & ~boxed) | (~has_box & elsewhere)
    return torch.where(cut, raised.clamp(max=OUTSIDE), raised)


def piece_at(mask: Tensor, places: Tensor) -> Tensor:
    """The connected pieces of a mask that contain one of the places; all, when none does: bool [B,1,m,m] both → bool [B,1,m,m].
    Pieces grow from the places by one cell of stride 8 per step, so gaps of less than a cell do not divide a mask.
    """
    shape = F.max_pool2d(mask.float(), 2)
    piece = F.max_pool2d((mask & places).float(), 2)
    empty = 1.0 - piece.amax((2, 3), keepdim=True)
    for _ in range(mask.shape[-1] // 2):
        piece = F.max_pool2d(piece, 3, 1, 1) * shape
    return F.interpolate(torch.maximum(piece, empty), scale_factor=2.0, mode="nearest") > 0.5


def fine_spread(fine: Tensor) -> Tensor:
    """How much the four votes of a cell of stride 8 differ [B,1,4g,4g] → [B,1,2g,2g]"""
    return F.max_pool2d(fine, 2) + F.max_pool2d(-fine, 2)
