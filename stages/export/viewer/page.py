"""Makes the page: the script and the GLB go into the template."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

from stages.artifacts.glb import GlbMaterial
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.parts import BENEATH
from stages.export import glb
from stages.export.delivery import Delivery
from stages.export.textures import textures_of

PAGE = "character.html"


def write_viewer(delivery: Delivery, mesh: MeshAsset, clips: Sequence[Mapping[str, Any]]) -> None:
    """``preview/character.html``: the figure with its base colour alone, reduced to ``viewer_px``."""
    settings, light = delivery.settings, delivery.context.work / "viewer.glb"
    joined = replace(delivery, figure=replace(delivery.figure.without(BENEATH), parts=None))
    glb.write_figure(joined, light, GlbMaterial(settings.name, textures_of(mesh, settings.viewer_px).kd))
    page = viewer_page(settings.name, light.read_bytes(), clips)
    (delivery.folder / "preview" / PAGE).write_text(page, encoding="utf-8")


def viewer_page(name: str, figure: bytes, clips: Sequence[Mapping[str, Any]]) -> str:
    """A whole HTML document that shows ``figure``, a GLB of ours; ``clips`` as the export's listing has them, in the order of the animations."""
    files = resources.files("stages.export.viewer")
    script = files.joinpath("viewer.js").read_text(encoding="utf-8")
    parts = {
        "@NAME@": html.escape(name), "@SCRIPT@": script, "@GLB@": base64.b64encode(figure).decode("ascii"),
        "@CLIPS@": json.dumps([{"ground_m_s": clip["ground_m_s"]} for clip in clips]),
    }
    page = files.joinpath("page.html").read_text(encoding="utf-8")
    for mark, text in parts.items():
        page = page.replace(mark, text)
    return page
