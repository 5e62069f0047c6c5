"""Prompts to embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from stages.views.emphasis import spans


def embed(tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel, texts: Sequence[str], clip_skip: int = 0) -> Tensor:
    """(texts, tokens, channels) float32: the text model's last hidden states, after its final norm.

    ``clip_skip`` layers are left out at the end, for every text alike. Weighted words (emphasis.py) lie by their weight further from,
    or nearer to, what the text model makes of an empty text at their place.
    """
    tokens, weights = _tokens_and_weights(tokenizer, texts)
    states = _states(text_encoder, tokens, clip_skip)
    if (weights == 1).all():
        return states
    none = _states(text_encoder, _tokens_and_weights(tokenizer, [""])[0], clip_skip)
    weight = weights[..., None].to(states)
    return torch.where(weight == 1, states, none + weight * (states - none))


def _states(text_encoder: CLIPTextModel, tokens: Tensor, clip_skip: int) -> Tensor:
    tokens = tokens.to(text_encoder.device)
    with torch.inference_mode():
        if not clip_skip:
            return text_encoder(tokens)[0]
        hidden = text_encoder(tokens, output_hidden_states=True).hidden_states[-(clip_skip + 1)]
        return getattr(text_encoder, "text_model", text_encoder).final_layer_norm(hidden)


def _tokens_and_weights(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """(texts, tokens) int64 and float32: begin, the words that there is room for, end, filled up; nothing but words is weighted."""
    length = tokenizer.model_max_length
    tokens = torch.full((len(texts), length), tokenizer.pad_token_id)
    weights = torch.ones(len(texts), length)
    for row, text in enumerate(texts):
        ids, weighed = [tokenizer.bos_token_id], [1.0]
        for span in spans(text):
            words = tokenizer(span.text, add_special_tokens=False).input_ids
            ids += words
            weighed += [span.weight] * len(words)
        ids, weighed = ids[: length - 1] + [tokenizer.eos_token_id], weighed[: length - 1]
        tokens[row, : len(ids)] = torch.tensor(ids)
        weights[row, : len(weighed)] = torch.tensor(weighed)
    return tokens, weights
