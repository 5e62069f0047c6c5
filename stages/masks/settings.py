"""Settings of the masks stage."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pipeline.stage import not_blank


class MasksSettings(BaseModel):
    """How the figure is cut out of the pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: Literal["auto", "grounded_sam", "silhouette"] = Field(
        "auto",
        description="grounded_sam: GroundingDINO finds the figure by words, SAM outlines it; silhouette: matting against an even "
        "background that starts from the posed body. auto: grounded_sam, but the silhouette with the embedded networks, which are less exact. "
        "Pictures with a transparent background are taken as they are.",
    )
    prompt: str = Field("girl", min_length=1, description="What GroundingDINO looks for.")
    box_threshold: float = Field(0.3, gt=0, lt=1, description="Lowest score of a box.")
    text_threshold: float = Field(0.25, gt=0, lt=1, description="Lowest score of a word for a box.")
    grounding_dino: str | None = Field(
        "embedded/grounding_dino", description="Model name or folder of GroundingDINO; the embedded one knows the words of its training. Null: grounded_sam is not at hand.")
    sam: str | None = Field("embedded/sam", description="Model name or folder of SAM.")
    parts: tuple[Annotated[str, AfterValidator(not_blank)], ...] = Field(
        (), max_length=32,
        description="Things to label in every picture, by words such as hair, dress, shoes, which GroundingDINO and SAM look for; small ones "
        "lie over large ones. Written as `labels/<view>.png`.",
    )
    edge_px: float = Field(1.5, ge=0, le=8, description="Half width of the band along the outline in which alpha is soft.")
    least_coverage: float = Field(0.8, ge=0, le=1, description="Share of the posed body that a picture's figure must cover.")
    area_ratio: float = Field(1.45, gt=1, description="A figure this many times larger or smaller than its neighbours' is rejected.")
    neighbour_iou: float = Field(0.5, ge=0, le=1, description="Overlap with at least one neighbour below which a frame is rejected.")
    fewest_frames: int = Field(4, ge=2, description="Fewer accepted frames than this fail the stage.")

    @property
    def embedded(self) -> bool:
        """Are both networks those that the project trained?"""
        return all(name is not None and name.startswith("embedded") for name in (self.grounding_dino, self.sam))

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.parts and not (self.grounding_dino and self.sam):
            raise ValueError("parts are found by GroundingDINO and SAM; name masks.grounding_dino and masks.sam, or leave parts empty")
        return self
