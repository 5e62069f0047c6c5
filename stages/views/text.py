"""Prompts to embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer


def embed(tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel, texts: Sequence[str], clip_skip: int = 0) -> Tensor:
    """(texts, tokens, channels) float32: the text model's last hidden states, after its final norm.

    ``clip_skip`` layers are left out at the end, for every text alike.
    """
    tokens = tokenizer(
        list(texts), padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    ).input_ids.to(text_encoder.device)
    with torch.inference_mode():
        if not clip_skip:
            return text_encoder(tokens)[0]
        hidden = text_encoder(tokens, output_hidden_states=True).hidden_states[-(clip_skip + 1)]
        return getattr(text_encoder, "text_model", text_encoder).final_layer_norm(hidden)
