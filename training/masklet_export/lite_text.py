"""SAM 3 Lite's text encoder (`Sam3LiteTextModel`) in place of SAM 3's, for the same detector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import padding_bias
from .family import expect


class LiteText(nn.Module):
    """Token ids → the concept features of the detector.

    Unlike in SAM 3's encoder, every token attends to every other, and the first and last layers are convolutions
    along the phrase. The padding token affects these convolutions, so the pack's tokenizer has to pad like the
    checkpoint's.
    """

    def __init__(self, model: nn.Module, length: int) -> None:
        """
        :param model: a `Sam3LiteTextModel`
        :param length: tokens per phrase; position encodings are interpolated to it, as in the model
        """
        super().__init__()
        encoder = model.text_encoder
        self.tokens, self.layers = encoder.embeddings.token_embedding, encoder.layers
        self.norm, self.projection = encoder.final_layer_norm, model.text_projection
        position_embedding = encoder.embeddings.position_embedding(length)
        self.register_buffer("position_embedding", position_embedding.detach().clone(), persistent=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x, bias = self.tokens(input_ids) + self.position_embedding, padding_bias(attention_mask)
        for layer in self.layers:
            x = layer(x, attention_mask=bias)
        return self.projection(self.norm(x))


def lite_text(model: nn.Module, length: int, width: int) -> LiteText:
    """
    :param width: hidden width of the pack's detector
    :raises ExportError: if the widths differ
    """
    expect(model.config.detr_encoder_config.hidden_size, width, "hidden width of the text encoder's detector")
    with torch.no_grad():
        return LiteText(model, length)
