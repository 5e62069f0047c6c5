"""Prompts to embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from stages.views.emphasis import spans
from stages.views.inversions import pieces


def embed(
    tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel, texts: Sequence[str], clip_skip: int = 0, blocks: int = 1,
    learned: Mapping[str, Sequence[int]] | None = None,
) -> Tensor:
    """(texts, tokens, channels) float32: the text model's last hidden states, after its final norm.

    ``clip_skip`` layers are left out at the end, for every text alike. A text that is longer than the model reads at once goes on in
    further blocks, as many as the longest text needs and at most ``blocks``; their states stand behind one another. Weighted words
    (emphasis.py) lie by their weight further from, or nearer to, what the text model makes of an empty text at their place.
    ``learned``: words with tokens of their own (inversions.py).
    """
    tokens, weights = _tokens_and_weights(tokenizer, texts, blocks, learned or {})
    states = _states(text_encoder, tokens, clip_skip)
    if not (weights == 1).all():
        none = _states(text_encoder, _tokens_and_weights(tokenizer, [""], 1, {})[0], clip_skip)
        weight = weights[..., None].to(states)
        states = torch.where(weight == 1, states, none + weight * (states - none))
    return states.flatten(1, 2)


def _states(text_encoder: CLIPTextModel, tokens: Tensor, clip_skip: int) -> Tensor:
    """(texts, blocks, length) tokens -> (texts, blocks, length, channels)."""
    flat = tokens.flatten(0, 1).to(text_encoder.device)
    with torch.inference_mode():
        if not clip_skip:
            states = text_encoder(flat)[0]
        else:
            hidden = text_encoder(flat, output_hidden_states=True).hidden_states[-(clip_skip + 1)]
            states = getattr(text_encoder, "text_model", text_encoder).final_layer_norm(hidden)
    return states.unflatten(0, tokens.shape[:2])


def _tokens_and_weights(
    tokenizer: CLIPTokenizer, texts: Sequence[str], blocks: int, learned: Mapping[str, Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """(texts, blocks, length) int64 and float32; each block is begin, the words that there is room for, end, filled up. Nothing but
    words is weighted."""
    length = tokenizer.model_max_length
    room = length - 2
    said = [_weighed(tokenizer, text, learned) for text in texts]
    used = max(1, min(blocks, max(-(-len(words) // room) for words in said)))
    tokens = torch.full((len(texts), used, length), tokenizer.pad_token_id)
    weights = torch.ones(len(texts), used, length)
    tokens[..., 0] = tokenizer.bos_token_id
    for row, words in enumerate(said):
        for block in range(used):
            here = words[block * room : (block + 1) * room]
            tokens[row, block, 1 : len(here) + 2] = torch.tensor([*(token for token, _ in here), tokenizer.eos_token_id])
            weights[row, block, 1 : len(here) + 1] = torch.tensor([weight for _, weight in here])
    return tokens, weights


def _weighed(tokenizer: CLIPTokenizer, text: str, learned: Mapping[str, Sequence[int]]) -> list[tuple[int, float]]:
    """The tokens of a text's words and what each weighs."""
    words = []
    for span in spans(text):
        for piece, word in pieces(span.text, learned):
            tokens = tokenizer(piece, add_special_tokens=False).input_ids if word is None else learned[word]
            words += [(token, span.weight) for token in tokens]
    return words
