"""What a user can say about the conditions stage."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FilePath, field_validator, model_validator

Kind = Literal["openpose", "depth", "normal", "lineart", "softedge", "canny", "parts", "albedo"]

PoseName = Literal[
    "rest", "a_pose", "arms_forward", "arms_up", "bow", "fists", "hands_on_hips", "kick", "relaxed", "run", "sit", "squat", "t_pose",
    "twist", "walk", "wave",
]


class RingSettings(BaseModel):
    """One ring of cameras: at azimuths 360 i / N, the first on the face."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    radius_m: float = Field(4.0, gt=0.5, le=100, description="Distance of the cameras from what they look at (metres).")
    elevation_deg: float = Field(0.0, ge=-80, le=80, description="Height of the cameras above the horizon (degrees).")
    focal_px: float | None = Field(
        None, gt=0, description="Focal length (pixels); null: the longest that holds the posed body in every view with the margin."
    )


class BodyRingSettings(RingSettings):
    """The ring round the whole figure."""

    views: int = Field(24, ge=1, le=360, description="Cameras in the ring.")
    margin: float = Field(0.05, ge=0, le=0.4, description="Share of width and height left free on each side of the posed body.")


class HeadRingSettings(RingSettings):
    """The ring of close-ups on the head."""

    focal_px: float | None = Field(
        None, gt=0, description="Focal length (pixels); null: the one at which the head fills its usual share of the picture, at any `radius_m`."
    )
    views: int = Field(8, ge=0, le=360, description="Cameras in the ring; 0 for no close-ups.")


class ShapeSettings(BaseModel):
    """The figure of the project's body: factors, 1 for as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: float = Field(1.0, ge=0.7, le=1.3, description="All of it.")
    head: float = Field(1.0, ge=0.7, le=1.5, description="Size of the head; larger is more childlike.")
    neck: float = Field(1.0, ge=0.7, le=1.5, description="Girth of the neck.")
    shoulders: float = Field(1.0, ge=0.8, le=1.4, description="Width of the shoulders.")
    bust: float = Field(1.0, ge=0.0, le=1.6, description="0 is flat.")
    waist: float = Field(1.0, ge=0.8, le=1.5, description="Girth of the waist.")
    hips: float = Field(1.0, ge=0.85, le=1.3, description="Girth of the hips and distance of the legs.")
    limbs: float = Field(1.0, ge=0.75, le=1.4, description="Girth of arms and legs.")
    legs: float = Field(1.0, ge=0.75, le=1.25, description="Length of the legs.")


class ConditionsSettings(BaseModel):
    """The posed body, its cameras, and the pictures that ControlNets read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body: FilePath | None = Field(
        None, description="A body of your own: GLB, VRM, FBX or .blend with a humanoid armature; null: the project's anime body."
    )
    figure: Literal["female", "male"] = Field("female", description="Of the project's body; the prompt's words for it have to say the same.")
    shape: ShapeSettings = Field(ShapeSettings(), description="The project's body taller, slimmer, broader ...: factors on top of `figure`.")
    pose: PoseName = Field("a_pose", description="A built-in pose; `rest` leaves the body as it is.")
    pose_file: FilePath | None = Field(
        None,
        description="A pose of your own, YAML or JSON: joint name to quaternion, axis and angle, or Euler angles (docs/conditions.md); "
        "takes the place of `pose`.",
    )
    width: int = Field(288, ge=32, le=4096, multiple_of=8, description="Width of the pictures (pixels).")
    height: int = Field(384, ge=32, le=4096, multiple_of=8, description="Height of the pictures (pixels).")
    body_ring: BodyRingSettings = Field(BodyRingSettings(), description="Cameras round the whole figure.")
    head_ring: HeadRingSettings = Field(HeadRingSettings(), description="Cameras close to the head.")
    kinds: tuple[Kind, ...] = Field(
        ("openpose", "depth", "normal", "lineart", "softedge", "canny", "parts", "albedo"), min_length=1,
        description="Pictures to draw of each view; docs/conditions.md says how each is encoded. The silhouette (mask) is always drawn.",
    )
    hands: bool = Field(True, description="Draw the hands in openpose pictures.")
    face: bool = Field(True, description="Draw the face's dots in openpose pictures.")
    samples: int = Field(2, ge=1, le=4, description="Samples along each side of a pixel; more make smoother lines and edges.")
    backend: Literal["auto", "blender", "software"] = Field(
        "auto", description="Who draws the geometry: Blender, or our own rasterizer. auto takes Blender where it can be started."
    )

    @field_validator("kinds")
    @classmethod
    def _each_once(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(kinds)) != len(kinds):
            raise ValueError("a kind is named twice")
        return kinds

    @model_validator(mode="after")
    def _shape_of_our_body(self) -> Self:
        if self.body is not None and (self.figure != "female" or self.shape != ShapeSettings()):
            raise ValueError("figure and shape are of the project's body; a body of your own keeps its figure: leave them out")
        return self
