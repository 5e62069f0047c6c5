"""Settings of the rig stage."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FilePath, model_validator

from pipeline.stage import NAME, NAME_LENGTH
from stages.rig.chain_settings import ChainSettings

ClipName = Literal["idle", "walk", "wave", "turn"]


class RigSettings(BaseModel):
    """How skin weights are carried from the body to the reconstructed surface, and how the character moves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    near_m: float = Field(0.02, gt=0, le=0.5, description="Up to this distance from the posed body (metres) its weights are taken in full.")
    far_m: float = Field(0.05, gt=0, le=1.0, description="Beyond this distance (metres) they are not taken; the weights there are inpainted.")
    normal_deg: float = Field(
        60.0, gt=0, lt=90, description="The body's weights are taken only where its surface faces the same way within this angle (degrees).")
    smoothing_m: float = Field(0.012, gt=0, le=0.1, description="Detail of the weights finer than this length (metres) is smoothed away.")
    motion: ClipName | FilePath | None = Field(
        None, description="A motion for the character: a BVH, GLB or VMD file (docs/motion.md), or a built-in clip; null: none.")
    clips: tuple[ClipName, ...] = Field((), description="Built-in clips to put into the files as well: `idle`, `walk`, `wave`, `turn`.")
    motion_name: str = Field(
        "motion", pattern=NAME, max_length=NAME_LENGTH, description="What the animation of a motion file is called in the files.")
    motion_animation: str | None = Field(None, description="Which animation of a GLB file is the motion; null: the first.")
    motion_start_s: float = Field(0.0, ge=0, description="Where in the motion file to begin (seconds).")
    motion_end_s: float | None = Field(None, gt=0, description="Where in the motion file to end (seconds); null: its end.")
    in_place: bool = Field(False, description="Take the way over the ground out of the motion file, as games want it; up and down stay.")
    hold_feet: bool = Field(True, description="Hold feet still where they stand in the motion file, and above the ground.")
    reach: float = Field(0.7, ge=0, le=1, description="How far hands go towards the places that they have in the motion file, scaled (docs/motion.md): 1 all the way, "
                         "0 not: then arms and back have the file's turns alone.")
    clip_fps: float = Field(30.0, ge=0, le=240, description="Keys a second in the clips; 0 keeps the motion file's (built-in clips then have 30).")
    clip_preview_s: float = Field(6.0, ge=0, le=120, description="Seconds of the first clip to show in the preview video; 0 for no video.")
    chains: Literal["auto", "none"] = Field(
        "auto", description="Chains of joints in loose hair and skirts, so that they can swing; unturned they change nothing. `auto` lays them where something hangs, "
        "`none` leaves hair to the head and skirts to hips and legs.")
    hands: Literal["auto", "none"] = Field(
        "auto", description="The body's own hands, with fingers apart, in place of the reconstruction's mittens. `auto`: where they can be joined to the wrists; "
        "where not, the run says why and they stay. `none`: they stay.")
    beneath: Literal["auto", "none"] = Field(
        "auto", description="The bare body under hair and clothes, to be seen where a part is taken off. `auto`: where `masks.parts` had parts labelled.")
    skirts: Literal["auto", "closed"] = Field(
        "auto", description="`auto`: a skirt that was reconstructed closed beneath is opened: the inside of the cloth and the legs in it take the place of its underside. "
        "Not where `masks.parts` had parts labelled: there it stays closed, as with `closed`.")
    chain_limits: ChainSettings = Field(ChainSettings(), description="How many chains there may be, and how long they are.")
    face: Literal["auto", "none"] = Field(
        "auto", description="A face that moves: lids and a mouth fitted to the eyes and the mouth that are painted on the reconstruction, with VRM's expressions "
        "as morph targets. `auto` makes what it finds with confidence and says what it does not; `none` leaves the surface as it is.")
    expressions: Literal["vrm", "arkit"] = Field(
        "vrm", description="Which expressions a face gets: `vrm` those that VRM 1.0 names, `arkit` the 52 of ARKit's face tracking as well, by their names.")
    preview_px: int = Field(480, ge=64, le=2048, description="Height of the preview pictures (pixels).")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.near_m >= self.far_m:
            raise ValueError(f"near_m {self.near_m} must be less than far_m {self.far_m}")
        if self.motion_name in self.clips:
            raise ValueError(f"motion_name '{self.motion_name}' is the name of one of the clips as well")
        if self.motion_end_s is not None and self.motion_start_s >= self.motion_end_s:
            raise ValueError(f"motion_start_s {self.motion_start_s} must be less than motion_end_s {self.motion_end_s}")
        return self
