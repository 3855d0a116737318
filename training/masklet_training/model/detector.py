"""The concept detector: a phrase or exemplar boxes → all instances on one frame.

Dense centre points (CenterNet) with prototype masks (YOLACT), modulated by the concept. SAM 3 uses a DETR. Its
one-to-one matching needs far more than the hour of training that this pack gets, while centre points are learned
within minutes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..vocabulary import ALL_PHRASES, PATTERNS
from .config import CompactConfig
from .layers import ConvNorm, Mlp, Residual, pixel_centres, upsample2
from .mask_refiner import MaskRefiner
from .naming import SHARP_NAME, RegionNamer
from .regions import main_piece

PROTOTYPES = 20
SHAPE_TERMS = 6  # 1, x, y, x², y², xy relative to the box: separates touching instances
WIDTH = 96
FINE_WIDTH = 32  # channels of the features at stride 4
# Heat and match at the centre, match of the region, presence, certainty of the mask, similarity of the region to the
# name by features and by pixels, its lead over rival names by each of them, whether the concept is a name of the vocabulary, and whether it
# is one of a picture: the namer is more reliable for shapes than for pictures by other artists than those of the training.
EVIDENCE = 11
LEADS = slice(7, 9)  # of the evidence: those over rival names
OF_PICTURE = 10  # of the evidence: whether the name is one of a picture
# Pairs of leads by features and by pixels. Below both of a pair, a name of a shape is wrong, whatever else is known. See NOTES.md.
LOST = ((-3.0, -1.0), (-1.0, -2.0))
EXCLUDED = -20.0  # added to the logit of such a detection
# Variety of the colours in a region, in standard deviations of pictures, below which it has no pattern: plain shapes in
# `evaluate_phrases` have at most 0.06, and 141 striped, dotted and checkered shapes of the training at least 1.1 inside their outlines.
PLAIN_VARIETY = 0.2
KNOWN = 0.01  # relative distance up to which a concept vector is identified with a name
NO_PEAK = -99.0  # heat of cells below a neighbour
FAINT = -4.0  # heat of peaks that are ignored: only one of 300 correct peaks is fainter
OUTSIDE = -12.0  # mask logit outside the detection's own box


class TextEncoder(nn.Module):
    """Token ids → one vector per token; one small transformer layer lets the words of a phrase attend to each other"""

    def __init__(self, cfg: CompactConfig) -> None:
        super().__init__()
        self.token = nn.Embedding(cfg.vocabulary, cfg.hidden)
        self.place = nn.Parameter(torch.zeros(1, cfg.text_length, cfg.hidden))
        self.qkv = nn.Linear(cfg.hidden, 3 * cfg.hidden)
        self.out = nn.Linear(cfg.hidden, cfg.hidden)
        self.norm = nn.LayerNorm(cfg.hidden)
        self.mlp = Mlp(cfg.hidden, 2 * cfg.hidden, cfg.hidden)
        nn.init.normal_(self.token.weight, std=0.5)

    def forward(self, ids: Tensor, attention_mask: Tensor) -> Tensor:
        """ids int [C,L], attention_mask int [C,L] → text [C,L,D]."""
        x = self.token(ids.long()) + self.place[:, : ids.shape[1]]
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        hidden = (1.0 - attention_mask.float()).unsqueeze(1) * -1e4
        weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]) + hidden, -1)
        x = x + self.out(weights @ v)
        return x + self.mlp(x)


class ConceptDetector(nn.Module):
    """Trunk features and concepts → scored boxes and masks."""

    def __init__(self, cfg: CompactConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.from16 = nn.Conv2d(cfg.hidden, WIDTH, 1)
        self.from8 = nn.Conv2d(cfg.feat_s1, WIDTH, 1)
        self.at8 = Residual(WIDTH)
        self.to4 = nn.Conv2d(WIDTH, FINE_WIDTH, 1)
        self.from4 = nn.Conv2d(cfg.feat_s0, FINE_WIDTH, 1)
        self.at4 = ConvNorm(FINE_WIDTH, FINE_WIDTH)
        self.prototypes = nn.Conv2d(FINE_WIDTH, PROTOTYPES, 1)
        self.exemplar = Mlp(WIDTH, cfg.hidden, cfg.hidden)
        self.negative = Mlp(WIDTH, cfg.hidden, cfg.hidden)
        self.concept = Mlp(cfg.hidden, cfg.hidden, cfg.hidden)
        self.scale = nn.Linear(cfg.hidden, WIDTH)
        self.shift = nn.Linear(cfg.hidden, WIDTH)
        self.look = nn.Conv2d(WIDTH, cfg.hidden, 1)
        self.refiner = MaskRefiner()
        self.namer = RegionNamer(cfg, WIDTH, FINE_WIDTH)
        self.tower = nn.Sequential(ConvNorm(WIDTH + 1, 64), Residual(64))
        self.heat = nn.Conv2d(64, 1, 1)
        self.box = nn.Conv2d(64, 4, 1)
        self.coefficients = nn.Conv2d(64, PROTOTYPES + SHAPE_TERMS, 1)
        self.present = Mlp(2 * 64, 64, 1)
        nn.init.constant_(self.heat.bias, -3.0)
        # Scores finished candidates; fitted after training (`calibrate.py`).
        self.judge = Mlp(EVIDENCE, 64, 1)
        self.register_buffer("evidence_mean", torch.zeros(EVIDENCE))
        self.register_buffer("evidence_scale", torch.ones(EVIDENCE))
        # For the same purpose, other names of an object: concept vectors of the vocabulary, and for each name those
        # that exclude it.
        self.register_buffer("evidence_names", torch.zeros(cfg.names, cfg.hidden + SHARP_NAME))
        self.register_buffer("evidence_rivals", torch.zeros(cfg.names, cfg.names, dtype=torch.bool))
        self.register_buffer("evidence_pictures", torch.zeros(cfg.names))
        patterned = [float(any(word in PATTERNS for word in phrase.split())) for phrase in ALL_PHRASES]
        self.register_buffer("patterned", torch.tensor(patterned), persistent=False)

    def unpack(self, trunk: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """trunk [N,Ct,g,g] → the encoder's three levels and the picture (see `pack_trunk`)."""
        c = self.cfg
        feat, s1, s0, picture = trunk.split([c.hidden, 4 * c.feat_s1, 16 * c.feat_s0, 256 * 3], 1)
        return feat, F.pixel_shuffle(s1, 2), F.pixel_shuffle(s0, 4), F.pixel_shuffle(picture, 16)

    def pyramid(self, trunk: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """trunk [N,Ct,g,g] → features at stride 8 [N,WIDTH,2g,2g] and at stride 4 [N,FINE_WIDTH,4g,4g], and the picture
        [N,3,16g,16g]."""
        *levels, picture = self.unpack(trunk)
        return *self.refine(*levels), picture

    def refine(self, feat: Tensor, s1: Tensor, s0: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's three levels → features at stride 8 [N,WIDTH,2g,2g] and at stride 4 [N,FINE_WIDTH,4g,4g]"""
        p8 = self.at8(F.relu(upsample2(self.from16(feat)) + self.from8(s1)))
        return p8, self.at4(F.relu(upsample2(self.to4(p8)) + self.from4(s0)))

    def concepts(self, p8: Tensor, text: Tensor, text_mask: Tensor, boxes: Tensor, box_labels: Tensor) -> Tensor:
        """p8 [C,WIDTH,2g,2g] (one row per concept), text [C,L,D], text_mask [C,L], boxes cxcywh 0..1 [C,E,4],
        box_labels [C,E] (1 positive, 0 negative, −10 padding) → concept vectors [C,D]."""
        phrase = self.phrase(text, text_mask)
        side = p8.shape[-1]
        axis = pixel_centres(side, p8.device).view(1, 1, side)
        # Pool the middle of the box: corners are mostly background.
        half = boxes[..., 2:].clamp(min=1.0 / side) * 0.35
        along_x = ((half[..., 0:1] - (axis - boxes[..., 0:1]).abs()) * side + 0.5).clamp(0.0, 1.0)
        along_y = ((half[..., 1:2] - (axis - boxes[..., 1:2]).abs()) * side + 0.5).clamp(0.0, 1.0)
        area = along_x.sum(-1, keepdim=True) * along_y.sum(-1, keepdim=True) + 1e-4
        window = torch.einsum("cey,cex->ceyx", along_y, along_x).flatten(2)  # [C,E,4g²]
        pooled = (window @ p8.flatten(2).transpose(1, 2)) / area  # [C,E,WIDTH]
        like = (box_labels == 1).float().unsqueeze(-1)
        unlike = (box_labels == 0).float().unsqueeze(-1)
        shown = (self.exemplar(pooled) * like).sum(1) / (like.sum(1) + 1e-4)
        avoided = (self.negative(pooled) * unlike).sum(1) / (unlike.sum(1) + 1e-4)
        return self.concept(phrase + shown + avoided)

    @staticmethod
    def phrase(text: Tensor, text_mask: Tensor) -> Tensor:
        """Mean of a phrase's tokens: text [C,L,D], text_mask [C,L] → [C,D]."""
        mask = text_mask.float().unsqueeze(-1)
        return (text * mask).sum(1) / (mask.sum(1) + 1e-4)

    def name_concept(self, text: Tensor, text_mask: Tensor) -> Tensor:
        """Concept vectors of phrases without exemplars → [C,D]."""
        return self.concept(self.phrase(text, text_mask))

    def match(self, p8: Tensor, concept: Tensor) -> Tensor:
        """Match of each cell with the concept: p8 [C,WIDTH,2g,2g], concept [C,D] → [C,1,2g,2g]"""
        dots = (self.look(p8) * concept.view(*concept.shape, 1, 1)).sum(1, keepdim=True)
        return dots / math.sqrt(concept.shape[1])

    def nearest_name(self, concept: Tensor) -> tuple[Tensor, Tensor]:
        """The namer's vectors of concepts [C,N] → index of the most similar name of the vocabulary [C], and 1 if it is the
        same [C]
        """
        # Without |concept|², which is equal for all. In two parts, as in `rivals`, so that the pack contains the names once.
        distance = concept.new_zeros(())
        for mine, names in zip(self.by_branch(concept), self.by_branch(self.evidence_names)):
            distance = distance + (names * names).sum(1) - 2.0 * mine @ names.T
        length = (concept * concept).sum(1)
        return distance.argmin(1), (distance.amin(1) + length < KNOWN * length).float()

    def by_branch(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """The namer's vectors [...,N] → those of its two branches"""
        return vectors.split([self.cfg.hidden, SHARP_NAME], -1)

    def rivals(self, descriptors: Tensor, names: Tensor, nothing: Tensor, nearest: Tensor) -> Tensor:
        """How well the names that exclude a concept, and "no name", fit regions: descriptors of one branch of the namer
        [C,K,N], its vectors of the vocabulary [names,N] and of "no name" [N], and the concept's index in the vocabulary [C]
        → logarithm of the sum of their weights [C,K]
        """
        others = descriptors @ names.T - 1e4 * (~self.evidence_rivals[nearest]).float().unsqueeze(1)
        others = torch.cat([others, dot_product(descriptors, nothing).unsqueeze(2)], 2)
        most = others.amax(2, keepdim=True)
        return most.squeeze(2) + torch.log(torch.exp(others - most).sum(2))

    def dense(self, p8: Tensor, concept: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """p8 [C,WIDTH,2g,2g], concept [C,D] → heat logits [C,1,2g,2g], box sides ltrb in frame widths [C,4,2g,2g],
        mask coefficients [C,·,2g,2g], presence logit [C]."""
        match = self.match(p8, concept)
        x = p8 * (1.0 + self.scale(concept).view(-1, WIDTH, 1, 1)) + self.shift(concept).view(-1, WIDTH, 1, 1)
        x = self.tower(torch.cat([x, match], 1))
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        sides = F.softplus(self.box(x) - 2.0)
        return self.heat(x), sides, self.coefficients(x), self.present(pooled)[:, 0]

    @staticmethod
    def decode_boxes(sides: Tensor, index: Tensor) -> Tensor:
        """sides ltrb [C,4,h,w], cell index [C,K] → boxes xyxy 0..1 [C,K,4]."""
        h, w = sides.shape[-2:]
        picked = sides.flatten(2).gather(2, index.unsqueeze(1).expand(-1, 4, -1)).transpose(1, 2)  # [C,K,4]
        x = (index.remainder(w).float() + 0.5) / w
        y = (torch.div(index, w, rounding_mode="floor").float() + 0.5) / h
        left, top, right, bottom = picked.unbind(-1)
        return torch.stack([x - left, y - top, x + right, y + bottom], -1).clamp(0.0, 1.0)

    @staticmethod
    def assemble(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
        """prototypes [C or 1,P,m,m], coefficients [C,K,P+6], boxes xyxy [C,K,4] → mask logits [C,K,m,m]."""
        m = prototypes.shape[-1]
        mix, shape = coefficients.split([PROTOTYPES, SHAPE_TERMS], -1)
        flat = (mix @ prototypes.flatten(2)).reshape(*mix.shape[:2], m, m)
        axis = pixel_centres(m, prototypes.device).view(1, 1, m)
        x0, y0, x1, y1 = boxes.unbind(-1)
        u = ((axis - ((x0 + x1) * 0.5).unsqueeze(-1)) / ((x1 - x0).clamp(min=0.02) * 0.5).unsqueeze(-1)).clamp(-3, 3)
        v = ((axis - ((y0 + y1) * 0.5).unsqueeze(-1)) / ((y1 - y0).clamp(min=0.02) * 0.5).unsqueeze(-1)).clamp(-3, 3)
        k = shape.unsqueeze(-1).unsqueeze(-1)  # [C,K,6,1,1]
        row, col = v.unsqueeze(-1), u.unsqueeze(-2)  # [C,K,m,1], [C,K,1,m]
        return (
            flat
            + k[:, :, 0]
            + k[:, :, 1] * col
            + k[:, :, 2] * row
            + k[:, :, 3] * col * col
            + k[:, :, 4] * row * row
            + k[:, :, 5] * row * col
        )

    @staticmethod
    def crop(masks: Tensor, boxes: Tensor) -> Tensor:
        """Mask logits [C,K,m,m] cut to their boxes xyxy [C,K,4], grown by a tenth and one cell."""
        m = masks.shape[-1]
        axis = pixel_centres(m, masks.device).view(1, 1, m)
        x0, y0, x1, y1 = boxes.unsqueeze(-1).unbind(2)  # [C,K,1]
        grow_x, grow_y = (x1 - x0) * 0.05 + 1.0 / m, (y1 - y0) * 0.05 + 1.0 / m
        in_x = ((axis > x0 - grow_x) & (axis < x1 + grow_x)).float()
        in_y = ((axis > y0 - grow_y) & (axis < y1 + grow_y)).float()
        inside = in_y.unsqueeze(-1) * in_x.unsqueeze(-2)
        return masks * inside + OUTSIDE * (1.0 - inside)

    def peaks(self, p8: Tensor, p4: Tensor, concept: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The K strongest peaks of the centre map: p8 [C,WIDTH,2g,2g], p4 [C,FINE_WIDTH,m,m], concept [C,D] → heat
        logits (NO_PEAK for cells that are not a peak) [C,K], their cells [C,K], boxes xyxy [C,K,4], mask logits
        [C,K,m,m], presence logit [C]
        """
        heat, sides, coefficients, present = self.dense(p8, concept)
        peak = heat >= F.max_pool2d(heat, 3, 1, 1)
        top, index = torch.where(peak, heat, torch.full_like(heat, NO_PEAK)).flatten(1).topk(self.cfg.queries, 1)
        boxes = self.decode_boxes(sides, index)
        picked = coefficients.flatten(2).gather(2, index.unsqueeze(1).expand(-1, coefficients.shape[1], -1))
        masks = self.crop(self.assemble(self.prototypes(p4), picked.transpose(1, 2), boxes), boxes)
        return top, index, boxes, masks, present

    def candidates(self, p8: Tensor, p4: Tensor, picture: Tensor, concept: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The peaks with their evidence: arguments as for `peaks`, of one frame, picture [C,3,4n,4n] → evidence
        [C,K,EVIDENCE], real (0 for cells that are not a peak, or a faint one, and for plain regions if the name has a pattern)
        [C,K], boxes xyxy [C,K,4], refined mask logits [C,K,n,n], presence logit [C]
        """
        top, index, boxes, masks, present = self.peaks(p8, p4, concept)
        # A phrase's strongest peak always counts as one, so that there is at least one candidate.
        strong = torch.cat([top[:, :1] > NO_PEAK, top[:, 1:] > FAINT], 1)
        chosen = torch.nonzero(strong.flatten())[:, 0]
        # Other pieces are parts of neighbours. They would move the region's box.
        flat = masks.flatten(0, 1)
        whole = flat[chosen]
        stray = (whole > 0) & (main_piece(torch.sigmoid(whole)) < 0.5)
        whole = torch.where(stray, whole.new_tensor(OUTSIDE), whole)
        prob = torch.sigmoid(flat.index_copy(0, chosen, whole).unflatten(0, strong.shape))
        inside = (prob > 0.5).float()
        refined, variety = self.refiner(torch.sigmoid(whole), picture[:1])
        side = picture.shape[-1] // 4
        masks = (strong.float().view(-1, 1, 1) * 0.0 + OUTSIDE).expand(-1, side, side)
        masks = masks.index_copy(0, chosen, refined).unflatten(0, strong.shape)
        regions = torch.sigmoid(refined).unsqueeze(0)
        descriptors = prob.new_zeros(strong.numel(), self.evidence_names.shape[1])
        descriptors = descriptors.index_copy(0, chosen, self.namer(p8[:1], p4[:1], picture[:1], regions)[0]).view(*strong.shape, -1)
        name_vectors = self.namer.name(concept)
        nearest, known = self.nearest_name(name_vectors)
        parts = map(self.by_branch, (descriptors, name_vectors, self.evidence_names, self.namer.nothing))
        similarities, leads = [], []
        for mine, name, names, nothing in zip(*parts):
            similarities.append(dot_product(mine, name.unsqueeze(1)))
            leads.append((similarities[-1] - self.rivals(mine, names, nothing, nearest)) * known.unsqueeze(1))
        certainty = (prob * inside).flatten(2).sum(2) / (inside.flatten(2).sum(2) + 1e-3)
        match = self.match(p8, concept)
        centre = F.max_pool2d(match, 3, 1, 1).flatten(1).gather(1, index)
        share = F.avg_pool2d(inside, 2).flatten(2)  # [C,K,4g²]
        region = (share * match.flatten(2)).sum(2) / (share.sum(2) + 1e-3)
        picture_name = known * self.evidence_pictures[nearest]
        plain = strong.flatten().float() * 0.0
        plain = plain.index_copy(0, chosen, (variety < PLAIN_VARIETY).float()).view(strong.shape)
        real = strong.float() * (top > NO_PEAK / 2).float() * (1.0 - plain * (known * self.patterned[nearest]).unsqueeze(1))
        everywhere, known, picture_name = (each.unsqueeze(1).expand_as(top) for each in (present, known, picture_name))
        evidence = torch.stack([top, centre, region, everywhere, certainty, *similarities, *leads, known, picture_name], -1)
        return evidence, real, boxes, masks, present

    def score(self, evidence: Tensor) -> Tensor:
        """Logit that a candidate is correct: evidence [...,EVIDENCE] → [...]"""
        likely = self.judge((evidence - self.evidence_mean) / self.evidence_scale).squeeze(-1)
        behind = evidence[..., None, LEADS] < torch.tensor(LOST, device=evidence.device)  # [...,2,2]
        lost = behind.float().amin(-1).amax(-1)
        return likely + EXCLUDED * lost * (1.0 - evidence[..., OF_PICTURE])

    def forward(
        self, trunk: Tensor, text: Tensor, text_mask: Tensor, boxes: Tensor, box_labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The `detect` graph: trunk batch 1; returns as `detect`"""
        return self.detect(*self.pyramid(trunk), text, text_mask, boxes, box_labels)

    def detect(
        self, p8: Tensor, p4: Tensor, picture: Tensor, text: Tensor, text_mask: Tensor, boxes: Tensor, box_labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Levels and picture of one frame, see `pyramid`; the picture [1,3,4n,4n] may have any size → scores [C,K] sorted,
        boxes xyxy [C,K,4], masks logits [C,K,n,n], presence [C] (probability)."""
        p8, p4, picture = (level.expand(text.shape[0], -1, -1, -1) for level in (p8, p4, picture))
        concept = self.concepts(p8, text, text_mask, boxes, box_labels)
        evidence, real, found, masks, present = self.candidates(p8, p4, picture, concept)
        scores, order = (torch.sigmoid(self.score(evidence)) * real).topk(self.cfg.queries, 1)
        found = found.gather(1, order.unsqueeze(-1).expand(-1, -1, 4))
        side = masks.shape[-1]
        masks = masks.gather(1, order.view(*order.shape, 1, 1).expand(-1, -1, side, side))
        return scores, found, masks, torch.sigmoid(present)


def dot_product(descriptors: Tensor, names: Tensor) -> Tensor:
    """Dot product over the last axis."""
    return (descriptors * names).sum(-1)


def pack_trunk(feat: Tensor, s1: Tensor, s0: Tensor, picture: Tensor) -> Tensor:
    """The encoder's three levels and the picture [N,3,16g,16g] → one stride-16 tensor [N,Ct,g,g], without loss"""
    return torch.cat([feat, F.pixel_unshuffle(s1, 2), F.pixel_unshuffle(s0, 4), F.pixel_unshuffle(picture, 16)], 1)
