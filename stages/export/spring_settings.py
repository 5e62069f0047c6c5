"""How chains of hair and cloth swing in a VRM, in the words of VRMC_springBone 1.0; the same for every joint of a chain."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Stiffness = Annotated[float, Field(ge=0, le=10, description="How strongly it goes back to its shape; 0 hangs like a rope.")]
Gravity = Annotated[float, Field(ge=0, le=10, description="How strongly it is drawn down, against stiffness; at rest it hangs down already.")]
Drag = Annotated[float, Field(ge=0, le=1, description="How soon a swing dies down: 0 never, 1 at once.")]
HitRadius = Annotated[float, Field(
    ge=0, le=0.5, description="Distance (metres) that a joint keeps from the body, or what it has at rest where that is less.")]


class HairSprings(BaseModel):
    """Spring bones of hair."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stiffness: Stiffness = 0.9
    gravity_power: Gravity = 0.15
    drag_force: Drag = 0.4
    hit_radius_m: HitRadius = 0.02


class SkirtSprings(BaseModel):
    """Spring bones of a skirt, which is stiffer than hair and comes to rest sooner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stiffness: Stiffness = 1.2
    gravity_power: Gravity = 0.1
    drag_force: Drag = 0.5
    hit_radius_m: HitRadius = 0.02


SpringSettings = HairSprings | SkirtSprings
