"""The toon material of a VRM: VRMC_materials_mtoon 1.0 over an unlit glTF material."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.artifacts.glb_document import GlbDocument
from stages.artifacts.images import srgb_to_linear
from stages.export.vrm_settings import MtoonSettings, Rgb


def make_toon(document: GlbDocument, material: dict[str, Any], settings: MtoonSettings, outlined: bool = True) -> None:
    """Give ``material`` of ``document`` its toon shading, and the unlit one for programs that do not know it."""
    document.extend(material, "KHR_materials_unlit", {})
    document.extend(material, "VRMC_materials_mtoon", mtoon(settings, material["pbrMetallicRoughness"]["baseColorTexture"], outlined))


def mtoon(settings: MtoonSettings, base_colour: dict[str, int], outlined: bool = True) -> dict[str, Any]:
    """The extension's content. The shade is the base colour's own texture, tinted."""
    out: dict[str, Any] = {
        "specVersion": "1.0", "shadeColorFactor": _linear(settings.shade_color), "shadeMultiplyTexture": dict(base_colour),
        "shadingShiftFactor": settings.shading_shift, "shadingToonyFactor": settings.shading_toony,
        "giEqualizationFactor": settings.gi_equalization, "parametricRimColorFactor": _linear(settings.rim_color), "outlineWidthMode": "none",
    }
    if settings.outline_width_m and outlined:
        out |= {"outlineWidthMode": "worldCoordinates", "outlineWidthFactor": settings.outline_width_m,
                "outlineColorFactor": _linear(settings.outline_color)}
    return out


def _linear(colour_srgb: Rgb) -> list[float]:
    return [round(float(c), 6) for c in srgb_to_linear(np.array(colour_srgb))]
