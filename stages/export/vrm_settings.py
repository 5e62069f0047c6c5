"""What a user can say about a VRM: whose it is, who may do what with it, how it is shaded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Rgb = tuple[Share, Share, Share]
Text = Annotated[str, Field(min_length=1)]


class VrmSettings(BaseModel):
    """Meta information of a VRM in the words of VRMC_vrm 1.0; the licence is always the VRM Public License 1.0 with these choices."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    authors: tuple[Text, ...] = Field((), description="Who made the character, the first author first; empty: `unknown`, with a warning.")
    version: str = Field("", description="Version of the model, in your own counting.")
    copyright: str = Field("", description="Whose copyright it is.")
    contact: str = Field("", description="How to reach the author; everybody who has the file can read it.")
    references: tuple[Text, ...] = Field((), description="Original works that the model goes back to.")
    third_party_licenses: str = Field(
        "", description="Licences of others that the model is under, such as those of the models that painted it (`report.html` lists them); "
        "empty: none is written, with a warning.")
    other_license_url: str = Field("", description="Address of a further licence of your own.")
    avatar_permission: Literal["onlyAuthor", "onlySeparatelyLicensedPerson", "everyone"] = Field(
        "onlyAuthor", description="Who may act as this avatar.")
    commercial_usage: Literal["personalNonProfit", "personalProfit", "corporation"] = Field(
        "personalNonProfit", description="Which use for profit is allowed.")
    credit_notation: Literal["required", "unnecessary"] = Field("required", description="Whether the author has to be named.")
    modification: Literal["prohibited", "allowModification", "allowModificationRedistribution"] = Field(
        "prohibited", description="Whether others may change the model, and pass on what they changed.")
    allow_redistribution: bool = Field(False, description="Others may pass the model on.")
    allow_excessively_violent_usage: bool = Field(False, description="It may be used in excessively violent content.")
    allow_excessively_sexual_usage: bool = Field(False, description="It may be used in excessively sexual content.")
    allow_political_or_religious_usage: bool = Field(False, description="It may be used for political or religious purposes.")
    allow_antisocial_or_hate_usage: bool = Field(False, description="It may be used in antisocial content or hate speech.")


class MtoonSettings(BaseModel):
    """Toon shading of a VRM (VRMC_materials_mtoon 1.0); programs without it show the plain unlit texture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shade_color: Rgb = Field(
        (0.9, 0.82, 0.87), description="Tint of what lies in the shade, sRGB from 0 to 1, multiplied with the texture; mild, for the texture is drawn with shades.")
    shading_shift: float = Field(-0.05, ge=-1, le=1, description="Moves the border of the shade: added to the cosine of the angle to the light, so that above 0 more is lit.")
    shading_toony: Share = Field(0.95, description="Hardness of the border of the shade: 0 soft, 1 a line.")
    gi_equalization: Share = Field(0.9, description="How evenly light from all around falls on it.")
    rim_color: Rgb = Field((0.0, 0.0, 0.0), description="Light along the outline, sRGB from 0 to 1; black for none.")
    outline_width_m: float = Field(0.0008, ge=0, le=0.1, description="Width of the drawn outline (metres); 0 for none.")
    outline_color: Rgb = Field((0.24, 0.16, 0.18), description="Colour of the outline, sRGB from 0 to 1.")
    normal_map: bool = Field(False, description="Shade by the baked normal map; else by the surface alone, whose shades have smoother borders.")
