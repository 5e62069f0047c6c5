"""Settings of the rig stage."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RigSettings(BaseModel):
    """How skin weights are carried from the body to the reconstructed surface."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    near_m: float = Field(0.02, gt=0, le=0.5, description="Up to this distance from the posed body (metres) its weights are taken in full.")
    far_m: float = Field(0.05, gt=0, le=1.0, description="Beyond this distance (metres) they are not taken; the weights there are inpainted.")
    normal_deg: float = Field(
        60.0, gt=0, lt=90, description="The body's weights are taken only where its surface faces the same way within this angle (degrees).")
    smoothing_m: float = Field(0.012, gt=0, le=0.1, description="Detail of the weights finer than this length (metres) is smoothed away.")
    preview_px: int = Field(480, ge=64, le=2048, description="Height of the preview pictures (pixels).")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.near_m >= self.far_m:
            raise ValueError(f"near_m {self.near_m} must be less than far_m {self.far_m}")
        return self
