"""Settings of the chains of joints in hair and skirts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ChainSettings(BaseModel):
    """How many joints hair and skirts get. Where the body has nothing that hangs loose there are none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hair: int = Field(8, ge=0, le=24, description="Locks of hair beside one another that get a chain, at most; long hair has two in a lock, one on the head and one on the chest. 0: none.")
    skirt: int = Field(8, ge=0, le=24, description="Chains round a skirt, at most, half of them on each leg; 0 for none, and a skirt has no fewer than 4.")
    joints: int = Field(4, ge=2, le=5, description="Joints in a chain, at most; the longer, the more.")
    bones: int = Field(
        45, ge=0, le=200, description="Joints in all chains together, at most: first bones get longer, then there are fewer chains.")
    least_m: float = Field(0.15, gt=0, le=2.0, description="Hair or cloth that hangs less far than this (metres) along its surface stays as it is.")
