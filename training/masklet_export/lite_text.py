"""SAM 3 Lite's text encoder (`Sam3LiteTextModel`) in place of SAM 3's: the same detector reads what it says of a phrase."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import padding_bias
from .family import expect


class LiteText(nn.Module):
    """Token ids → the concept, as the detector reads it.

    Unlike SAM 3's, every token sees every other, and its first and last layer are convolutions along the phrase: what
    padding is made of matters to them, so that the pack's tokenizer has to pad as the checkpoint's does."""

    def __init__(self, model: nn.Module, length: int) -> None:
        """model: a `Sam3LiteTextModel`. length: tokens per phrase; positions are stretched to it, as the model does."""
        super().__init__()
        encoder = model.text_encoder
        self.tokens, self.layers = encoder.embeddings.token_embedding, encoder.layers
        self.norm, self.projection = encoder.final_layer_norm, model.text_projection
        places = encoder.embeddings.position_embedding(length)
        self.register_buffer("places", places.detach().clone(), persistent=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x, bias = self.tokens(input_ids) + self.places, padding_bias(attention_mask)
        for layer in self.layers:
            x = layer(x, attention_mask=bias)
        return self.projection(self.norm(x))


def lite_text(model: nn.Module, length: int, width: int) -> LiteText:
    """width: of the detector that will read it.

    @raises ExportError when that detector cannot read it."""
    expect(model.config.detr_encoder_config.hidden_size, width, "hidden width of the text encoder's detector")
    with torch.no_grad():
        return LiteText(model, length)
