"""Settings of the export stage."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.stage import NAME, NAME_LENGTH
from stages.export.spring_settings import HairSprings, SkirtSprings, SpringSettings
from stages.export.vrm_settings import MtoonSettings, VrmSettings

FORMATS = ("glb", "vrm", "obj", "stl", "fbx", "usdz", "blend")


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    there_are = f"there are: {', '.join(FORMATS)}"
    if not names:
        raise ValueError(f"name at least one export format; {there_are}")
    for name in names:
        if name.lower() not in FORMATS:
            raise ValueError(f"there is no export format '{name}'; {there_are}")
    return tuple(dict.fromkeys(name.lower() for name in names))


def _falling(shares: tuple[float, ...]) -> tuple[float, ...]:
    if any(not 0 < share <= 1 for share in shares) or any(a <= b for a, b in pairwise(shares)):
        raise ValueError(f"levels are shares of the triangles, each in (0, 1] and less than the one before, got {list(shares)}")
    return shares


class ExportSettings(BaseModel):
    """What is handed to the user, and how the pictures of it are made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        "character", pattern=NAME, max_length=NAME_LENGTH,
        description="Name of the files and of the mesh in them; the character's, unless given here.",
    )
    formats: Annotated[tuple[str, ...], AfterValidator(_known)] = Field(
        ("glb",), description="Files to write: `glb` (skinned where there is a rig), `vrm` (VRM 1.0, an avatar; needs a rig), `obj` (with its MTL and "
        "textures; never skinned), `stl` (the bare surface, for printing); "
        "`fbx`, `usdz`, `blend` (through Blender, which has to be there)."
    )
    preset: Literal["mobile", "vrchat", "game", "hero", "print"] | None = Field(
        None, description="A budget: defaults for triangles, textures and bones of chains, `configs/presets/<preset>.yaml`, over the profile's and under what you say; null: none."
    )
    bones: Literal["own", "vrm", "mixamo", "unity", "unreal"] = Field(
        "own", description="Names of the humanoid's joints in the files: the program's `own` (VRM's, as for `vrm`), `mixamo`, `unity` (Humanoid), `unreal` "
        "(mannequin). Joints that are no humanoid's keep theirs."
    )
    texture_px: int = Field(0, ge=0, le=8192, description="Largest side of the exported textures (pixels); larger ones are reduced. 0 keeps them.")
    normals: Literal["auto", "even", "surface"] = Field(
        "auto", description="What light falls on, in every file. `surface`: every bump. `even`: the surface without what is smaller than a fortieth of the height. `auto`: even "
        "where the views did not agree, as painted ones do not; their bumps would throw patches of shade. The surface itself is the same."
    )
    stl_height_mm: float = Field(0.0, ge=0, le=10_000, description="Height of the figure in the STL (millimetres); 0: life size, 1 m is 1000 mm.")
    parts: Literal["auto", "separate", "joined"] = Field(
        "auto", description="Hair, face, clothes as meshes of their own, named after them (`separate`), or all in one mesh (`joined`). `auto`: separate where "
        "`masks.parts` had them labelled."
    )
    part_materials: bool = Field(False, description="A material for each part, all with the same textures; else parts share one.")
    levels: Annotated[tuple[float, ...], AfterValidator(_falling)] = Field(
        (), description="Levels of detail: shares of the triangles, from 1 downwards. For each below 1 a further GLB, `<name>_lod1.glb` and so on, with the same "
        "textures, skeleton and parts. `[1.0, 0.5, 0.2]` writes two; `[]` none."
    )
    double_sided: bool = Field(False, description="Mark the material as visible from both sides; parts that are separate always are.")
    viewer_px: int = Field(
        1024, ge=0, le=4096,
        description="Side of the texture (pixels) of the character that can be turned round in the report (`preview/character.html`); 0 for none.",
    )
    turntable_frames: int = Field(36, ge=8, le=360, description="Pictures in the turntable video, one full turn.")
    turntable_px: int = Field(720, ge=64, le=2160, description="Height of the turntable video (pixels); the width is two thirds of it.")
    turntable_s: float = Field(3.6, gt=0.2, le=60, description="Length of the turntable video (seconds).")
    vrm: VrmSettings = Field(VrmSettings(), description="Meta information of the VRM: its author, and who may do what with it.")
    mtoon: MtoonSettings = Field(MtoonSettings(), description="Toon shading of the VRM.")
    hair_springs: HairSprings = Field(HairSprings(), description="How chains of hair swing in the VRM.")
    skirt_springs: SkirtSprings = Field(SkirtSprings(), description="How chains of a skirt swing in the VRM.")

    @property
    def springs(self) -> dict[str, SpringSettings]:
        """How chains of each kind swing."""
        return {"hair": self.hair_springs, "skirt": self.skirt_springs}
