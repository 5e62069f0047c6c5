"""What a user can say about the mesh stage."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class MeshSettings(BaseModel):
    """Geometry and appearance by differentiable rasterization, from the field to a textured mesh."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grid_cells: int | None = Field(
        None, ge=16, le=512, description="Cells of the first pass's grid along the longest side of the figure; none: 128 to 160, by how far the views agree."
    )
    extraction: Literal["tetrahedra", "cubes"] = Field(
        "cubes", description="What the first pass's surface runs through: tetrahedra (marching, as DMTet), or cubes (dual, with learnt weights, as FlexiCubes)."
    )
    density_level: float | None = Field(
        None, gt=0, description="Density (per metre) at which the field counts as surface; none: the level whose outline fits the views best."
    )
    pit_width: float | None = Field(
        None, ge=0, le=0.5,
        description="Hollows of the field's surface narrower than this (metres) are filled where every view shows figure; 0 leaves them; none: 0.06 "
        "where views disagree to 0 where they agree.",
    )
    implicit_steps: int = Field(120, ge=0, le=20_000, description="Steps of the first pass (implicit surface, colours in space).")
    surface_steps: int = Field(100, ge=0, le=20_000, description="Steps of the second pass (fixed topology, textures).")
    batch: int = Field(4, ge=1, le=64, description="Views in a step.")
    sdf_rate: float | None = Field(
        None, gt=0, le=1, description="Learning rate of signed distances in the first pass, in cells; none: 0.04 to 0.06, by how far the views agree."
    )
    vertex_rate: float = Field(0.0008, ge=0, le=0.1, description="Learning rate of vertex offsets in the second pass, metres.")
    smoothness: float = Field(20.0, gt=0, le=10_000, description="Reach of the Laplacian of vertex offsets (lambda of Nicolet et al. 2021).")
    sdf_regulariser: float = Field(0.001, ge=0, description="Weight of the term that keeps the implicit surface in one piece.")
    sdf_smoothness: float | None = Field(
        None, ge=0, description="Weight of the bilaplacian of the signed distance in the first pass; none: 3e-4 where views disagree to 1e-6 where they agree."
    )
    fairing: float | None = Field(
        None, ge=0, le=0.5, description="Ripples of this wavelength (metres) are halved before the second pass, shorter ones more; 0 leaves them; none: 0.08 where "
        "views disagree to 0 where they agree.",
    )
    texture_rate: float = Field(0.002, ge=0, le=1, description="Learning rate of the base colour in the second pass.")
    mask_weight: float = Field(2.0, ge=0, description="Weight of the squared difference of alpha.")
    triangles: int = Field(24_000, ge=100, le=1_000_000, description="Triangles, at most, of the textured surface.")
    head_detail: float = Field(2.0, ge=0.1, le=100, description="How much denser triangles and texels are where close-ups look.")
    texture_size: int = Field(1024, ge=64, le=8192, description="Width and height of the textures, pixels.")
    view_sharpness: float = Field(24.0, ge=0, le=64, description="Exponent on the facing angle when views are blended into the texture.")
    portrait_lead_deg: float = Field(
        20.0, ge=0, le=90, description="Degrees by which the head ring's front counts as looking straighter than it does: one picture paints the face."
    )
    final_colours: Literal["fitted", "projected"] | None = Field(
        None, description="fitted: the second pass's mean of all pictures; projected: pictures laid onto the finished surface once more, the best one at each "
        "place, which keeps painted details sharp; none: projected where views disagree.",
    )
    outvote: bool = Field(
        True, description="Where pictures are laid onto the surface, let one count little whose colours most others contradict, as where it has painted over."
    )
    normal_map: Literal["baked", "flat"] | None = Field(
        None, description="baked: detail that decimation lost; flat: none. null: baked where the views agree; of views that do not, that detail is bumps.")
    lighting: Literal["unlit", "environment", "auto"] = Field(
        "unlit",
        description="unlit: the texture is what the views show; environment: distant light with the surface's own shadows is found and divided out; auto: that, "
        "where it makes points of one paint look more alike.",
    )
    occlusion: float = Field(1.0, ge=0, le=1, description="Occlusion written to ks (1 is none).")
    roughness: float = Field(0.9, ge=0.08, le=1, description="Roughness written to ks.")
    metallic: float = Field(0.0, ge=0, le=1, description="Metallic written to ks.")
    rasterizer: Literal["auto", "nvdiffrast", "torch", "cpu"] = Field(
        "auto",
        description="Differentiable rasterizer. nvdiffrast: CUDA, non-commercial licence; torch: torch operations, on a GPU where there is one; cpu: compiled kernels. "
        "auto: the first that can be used here, torch only with a GPU.",
    )
    seed: int = Field(0, ge=0, description="Seed of everything random in this stage.")
