"""What a user can say about the field stage."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class FieldSettings(BaseModel):
    """Training of the radiance field (instant-NGP) from posed RGBA pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int | None = Field(
        None, ge=1, le=100_000, description="Optimisation steps; none: one for every 500 pixels to learn from, 2,000 at least and 4,000 at most."
    )
    rays_per_batch: int = Field(4096, ge=64, le=1 << 18, description="Most rays in a step; fewer are taken while rays are costly.")
    samples_per_batch: int = Field(
        32768, ge=1024, le=1 << 22, description="Samples along rays that a step aims for; the number of rays adapts to it."
    )
    error_share: float = Field(
        0.5, ge=0, le=0.9, description="Share of a step's rays that are drawn where the field still errs, by squares of 8 x 8 pixels; the others are drawn evenly."
    )
    levels: int = Field(8, ge=1, le=24, description="Levels of the multiresolution hash grid.")
    features: Literal[2, 4, 8] = Field(4, description="Features per entry of the hash grid.")
    log2_hashmap_size: int = Field(16, ge=8, le=24, description="Logarithm (base 2) of the entries of one level.")
    base_resolution: int = Field(16, ge=2, le=512, description="Cells of the coarsest level along the longest side of the box.")
    finest_resolution: int = Field(512, ge=2, le=8192, description="Cells of the finest level along the longest side of the box.")
    hidden: int = Field(32, ge=8, le=256, multiple_of=4, description="Width of the hidden layers of both networks.")
    view_dependence: bool = Field(
        False, description="Let colour depend on the viewing direction. Evenly lit pictures do not need it; photographs do."
    )
    learning_rate: float = Field(2e-2, gt=0, le=1, description="Adam's learning rate at the start; it falls to a hundredth.")
    loss: Literal["charbonnier", "l2"] = Field(
        "charbonnier", description="Colour loss: charbonnier forgives views that disagree, l2 does not."
    )
    align_views: bool = Field(
        False, description="Correct cameras, while learning, for views that are moved, turned or enlarged by a few pixels. Where cameras are right, and for "
        "painted views, the field comes out worse."
    )
    balance_colours: bool = Field(
        False, description="Correct, while learning, for views whose colours have drifted: a gain and an offset a channel. Use it where they have."
    )
    mask_weight: float = Field(0.1, ge=0, description="Weight of the squared difference between opacity and the mask.")
    distortion_weight: float = Field(
        0.005, ge=0, description="Weight of the distortion loss (mip-NeRF 360, eq. 15), which draws density together at the surface."
    )
    random_background: bool = Field(True, description="Random colour behind every ray, so that holes cannot hide; else white.")
    sharpen: float = Field(0.0, ge=0, le=4, description="Strength of the sharpening of training pictures, as in instant-ngp.")
    held_out: int | tuple[int, ...] = Field(
        12,
        description="Views kept for scoring and never trained on: every k-th (index i with i % k == k // 2; 0 for none) or a list of "
        "indices. Test frames of a data set are always kept, and then nothing else is.",
    )
    march_steps: int = Field(400, ge=16, le=4096, description="Steps of a ray along the longest side of the box.")
    occupancy_resolution: int = Field(160, ge=8, le=512, description="Cells of the occupancy grid along the longest side of the box.")
    mask_dilation_px: int = Field(4, ge=0, le=64, description="Slack of the visual hull round the masks, pixels at 384 rows.")
    hull_tolerance: float = Field(
        0.04, ge=0, le=0.5, description="Share of the views whose mask may miss a point that the visual hull keeps."
    )
    grid_resolution: int = Field(208, ge=16, le=512, description="Samples of the baked grid along the longest side of its box.")
    fill: Literal["unseen", "none"] = Field(
        "unseen", description="Make what no camera can see inside the surface solid, so that the mesh gets no inner shells."
    )
    video: bool = Field(True, description="Write novel_views.mp4, a turn round the figure between the training views.")
    video_frames: int = Field(48, ge=2, le=1000, description="Frames of the video.")
    seed: int = Field(0, ge=0, description="Seed of everything random in this stage.")
    backend: Literal["auto", "numba", "torch", "nerfstudio"] = Field(
        "auto", description="numba: compiled kernels for the CPU, what auto takes; torch: torch operations, on CUDA where device says so; "
        "nerfstudio: that program, from an environment of its own, its field read back."
    )
    nerfstudio_python: str | None = Field(
        None, description="For backend nerfstudio: the Python of its environment. Unless given, `ns-train` is looked for on PATH."
    )
    nerfstudio_method: Literal["nerfacto", "instant-ngp"] = Field(
        "nerfacto", description="For backend nerfstudio: what it trains, for field.steps steps of field.rays_per_batch rays; instant-ngp needs CUDA there."
    )
