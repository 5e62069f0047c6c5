"""The embedded models' shapes: Stable Diffusion's own classes, small.

Widths are multiples of 32, which the matrix kernels of CPUs like. The autoencoder has no attention in its middle, so that it
may be trained on crops and used at any size.
"""

from __future__ import annotations

from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from diffusers.models.embeddings import TextTimeEmbedding
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

PICTURE_HEIGHT, PICTURE_WIDTH = 384, 288
LATENT_CHANNELS = 8
TEXT_WIDTH = 128
TEXT_LENGTH = 64
WIDTHS = (64, 128, 192)
POOL_HEADS = 16


def autoencoder() -> AutoencoderKL:
    """f = 8, 8 latent channels (a face is 30 pixels high, which is four latents), about 1 M parameters."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=PICTURE_HEIGHT,
    )


def unet() -> UNet2DConditionModel:
    """About 11 M parameters; attention at 1/16 and 1/32 of the picture. The text also joins the time embedding, pooled (as in
    DeepFloyd IF): a small network learns what is true of the whole figure sooner there than through cross-attention."""
    return UNet2DConditionModel(
        sample_size=(PICTURE_HEIGHT // 8, PICTURE_WIDTH // 8),
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=WIDTHS,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,  # diffusers reads this as the number of heads
        norm_num_groups=16,
        addition_embed_type="text",
        addition_embed_type_num_heads=POOL_HEADS,
    )


def text_pool() -> TextTimeEmbedding:
    """The UNet's ``add_embedding`` by itself: states (N, L, TEXT_WIDTH) -> (N, 4 WIDTHS[0])."""
    return TextTimeEmbedding(TEXT_WIDTH, 4 * WIDTHS[0], num_heads=POOL_HEADS)


def controlnet() -> ControlNetModel:
    """About 5 M parameters, same encoder as the UNet."""
    return ControlNetModel(
        in_channels=LATENT_CHANNELS,
        block_out_channels=WIDTHS,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
        conditioning_embedding_out_channels=(8, 16, 32, 64),
    )


def text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Three layers over the tokenizer's vocabulary."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=TEXT_LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's kind of noise schedule, with v-prediction (Salimans and Ho 2022), and more noise at its end: a signal to
    noise ratio of 2e-4 where Stable Diffusion leaves 5e-3, enough to tell a picture's colours from (Lin et al. 2023)."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.02,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        timestep_spacing="trailing",
    )
