"""Random vision weights that preserve an image's colours, so that the fitted layers can read them from the last
features.
"""

import torch
from transformers import Sam3VideoModel

from .sizes import coarse_noise

_GELU_BIAS = 2.0
"""Added before a GELU that should pass signals, to the range where the GELU is nearly linear"""

_COARSE_GAIN = 0.4
"""Gain of image features where the tracker reads memories and clicks; otherwise image features dominate"""


def preserve_colours(model: Sam3VideoModel, seed: int) -> None:
    """A patch embedding contains the mean colours of its 4 × 4 blocks, one per pixel of the mask grid, mixed by a random
    matrix, and its position as two ramps. The trunk's layers add little. The finest pyramid level separates the
    blocks again, and the convolutions after it weight mainly their centre. All other weights stay random.
    """
    generator = torch.Generator().manual_seed(seed)
    backbone = model.detector_model.vision_encoder.backbone
    with torch.no_grad():
        projection = backbone.embeddings.patch_embeddings.projection
        width, patch = projection.weight.shape[0], projection.weight.shape[-1]
        blocks = _block_means(patch)
        mix = torch.linalg.qr(torch.randn(max(width, 48), 48, generator=generator))[0][:width] * 12
        projection.weight.copy_((mix @ blocks.flatten(1)).view_as(projection.weight))
        positions = backbone.embeddings.position_embeddings
        side = round(positions.shape[1] ** 0.5)
        ramps = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij"), -1).flatten(0, 1)
        positions.mul_(0.3).add_(ramps @ torch.randn(2, width, generator=generator))
        for layer in backbone.layers:
            for linear in (layer.attention.o_proj, layer.mlp.fc2):
                linear.weight.mul_(0.25)
                linear.bias.mul_(0.25)
        unmix = torch.linalg.pinv(mix)
        for neck in (model.detector_model.vision_encoder.neck, model.tracker_neck):
            _separate_blocks(neck.fpn_layers[0], unmix)
            for level in neck.fpn_layers:
                _concentrate_at_centre(level.proj2, generator)
            neck.fpn_layers[0].proj1.weight.mul_(3)
        for level in model.detector_model.vision_encoder.neck.fpn_layers[1:]:
            level.proj2.weight.mul_(0.4)
        coarsest = model.tracker_neck.fpn_layers[2].proj2
        coarsest.weight.mul_(_COARSE_GAIN)
        coarsest.bias.mul_(_COARSE_GAIN)
        for convolution in model.detector_model.mask_decoder.pixel_decoder.conv_layers:
            _concentrate_at_centre(convolution, generator)


def _block_means(patch: int) -> torch.Tensor:
    """Weights [48, 3, patch, patch] that compute block means; 48 is block row, block column, colour"""
    edges = [round(i * patch / 4) for i in range(5)]
    blocks = torch.zeros(4, 4, 3, 3, patch, patch)
    for row in range(4):
        for column in range(4):
            rows, columns = slice(edges[row], edges[row + 1]), slice(edges[column], edges[column + 1])
            for colour in range(3):
                area = (edges[row + 1] - edges[row]) * (edges[column + 1] - edges[column])
                blocks[row, column, colour, colour, rows, columns] = 1 / area
    return blocks.flatten(0, 2)


def _separate_blocks(level, unmix: torch.Tensor) -> None:
    """Sets the transposed convolutions of the finest level.

    :param unmix: [48, width], tokens → block colours
    """
    coarse, fine = level.scale_layers[0], level.scale_layers[2]
    by_block = unmix.view(4, 4, 3, -1)
    count = coarse.weight.shape[1]
    for a in range(2):
        for b in range(2):
            quadrant = by_block[2 * a : 2 * a + 2, 2 * b : 2 * b + 2].reshape(12, -1)
            coarse.weight[:, : min(12, count), a, b] = quadrant.T[:, :count]
            fine.weight[:12, :3, a, b] = torch.eye(12)[:, 3 * (2 * a + b) : 3 * (2 * a + b) + 3]
            fine.weight[12:, :3, a, b] = 0
    coarse.bias[:12] = _GELU_BIAS
    fine.bias[:3] = -_GELU_BIAS


def _concentrate_at_centre(convolution: torch.nn.Conv2d, generator: torch.Generator) -> None:
    out, wide = convolution.weight.shape[:2]
    convolution.weight.mul_(0.15)
    convolution.weight[:, :, 1, 1] += coarse_noise((out, wide), generator) * (1.5 / wide) ** 0.5
