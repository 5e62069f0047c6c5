"""VRM 1.0: the figure as an avatar. T-pose at rest, humanoid map, toon materials, expressions, spring bones, meta information; +Y up, facing +Z, metres.

Specification: vrm-c, VRMC_vrm 1.0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.errors import StageError
from stages.artifacts.attachments import moved_attachment
from stages.artifacts.glb import GlbMaterial, glb_document, z_up_to_y_up
from stages.artifacts.glb_document import GlbDocument
from stages.artifacts.humanoid import humanoid_map, humanoid_problems
from stages.artifacts.images import encode_png
from stages.artifacts.morphs import GAZES
from stages.artifacts.parts import HANDS
from stages.artifacts.rig import Skinning, blended_transforms
from stages.export.delivery import Delivery
from stages.export.even_normals import even_on_head, fitted_to
from stages.export.expressions import expressions
from stages.export.glb import apart, layers_of, main_meshes, surface_at_rest
from stages.export.mtoon import make_toon
from stages.export.spring_bones import moved, spring_bones
from stages.export.t_pose import in_t_pose, t_pose_transforms
from stages.export.vrm_meta import meta

SPEC_VERSION = "1.0"
THUMBNAIL_PX = 1024
# For a look to the side, up or down, the eyes turn by up to 10 degrees, as the specification's example has it, or slide all the way.
_TURN = {"inputMaxValue": 90.0, "outputScale": 10.0}
_SLIDE = {"inputMaxValue": 60.0, "outputScale": 1.0}


def write(delivery: Delivery) -> list[str]:
    """``name``.vrm; returns its name. Raises StageError if there is no humanoid skeleton."""
    own_pose = humanoid_skinning(delivery)
    skinning = in_t_pose(own_pose)
    into_t_pose = t_pose_transforms(own_pose)
    document = _body(delivery, skinning, into_t_pose)
    folded = {f"{delivery.settings.name}_{a.name}" for a in delivery.figure.attachments if a.name != HANDS}  # its outline would show
    for material in document.json["materials"]:
        make_toon(document, material, delivery.settings.mtoon, outlined=material["name"] not in folded)
    joints = document.json["skins"][0]["joints"]
    for name, content in _extensions(delivery, document, skinning, joints).items():
        document.extend(document.json, name, content)
    colliders = moved(delivery.figure.colliders, own_pose.skeleton, into_t_pose)
    springs = spring_bones(document, skinning.skeleton, joints, colliders, delivery.settings.springs)
    if springs is not None:
        document.extend(document.json, "VRMC_springBone", springs)
    file = f"{delivery.settings.name}.vrm"
    (delivery.folder / file).write_bytes(document.to_bytes())
    return [file]


def humanoid_skinning(delivery: Delivery) -> Skinning:
    """The figure's skinning. Raises StageError if it has none, or one whose joints are no humanoid's."""
    skinning = delivery.figure.skinning
    if skinning is None:
        raise StageError("a VRM is a rigged humanoid, and there is no rig; take vrm out of export.formats")
    problems = humanoid_problems(skinning.skeleton)
    if problems:
        raise StageError(f"a VRM needs a whole humanoid, and of this skeleton {'; '.join(problems)}. Give conditions.body a humanoid armature, "
                         "or take vrm out of export.formats")
    return skinning


def _body(delivery: Delivery, skinning: Skinning, into_t_pose: np.ndarray) -> GlbDocument:
    """Surfaces, materials and joints; without tangents, which VRM leaves to the program that reads it."""
    settings, figure, textures = delivery.settings, delivery.figure, delivery.textures
    normal = textures.normal if settings.mtoon.normal_map else None
    both = settings.double_sided or figure.parts is not None
    material = GlbMaterial(settings.name, textures.kd, normal_png=normal, roughness=0.9, double_sided=both)
    turn = blended_transforms(skinning.joints, skinning.weights, into_t_pose)[:, :3, :3]
    plain = surface_at_rest(figure, skinning)
    v_nrm = plain.v_nrm if figure.even else even_on_head(plain.v_pos, figure.mesh.t_pos_idx, skinning)
    surface = replace(plain, v_nrm=v_nrm, morphs={name: morph.turned(turn) for name, morph in figure.morphs.items()})
    main = main_meshes(delivery, surface, material, skinning)
    further = fitted_to([moved_attachment(a, into_t_pose) for a in figure.attachments], plain.v_pos, v_nrm)
    layers = main.layers + layers_of(further, settings.name, apart(figure), both)
    named = delivery.named(skinning.skeleton)
    return glb_document(main.mesh, main.material, named, main.joints, main.weights, settings.name, tangents=False, layers=layers, mesh_name=main.name)


def _extensions(delivery: Delivery, document: GlbDocument, skinning: Skinning, joints: list[int]) -> dict[str, dict[str, Any]]:
    """Extensions of the whole file. ``joints`` are the nodes of the skeleton's joints."""
    thumbnail = document.image(encode_png(delivery.figure.picture(delivery.figure.face_camera(0.0, THUMBNAIL_PX))), "thumbnail")
    bones = humanoid_map(skinning.skeleton)
    vrm: dict[str, Any] = {
        "specVersion": SPEC_VERSION,
        "meta": meta(delivery.settings.name, delivery.settings.vrm, thumbnail, delivery.context.warn),
        "humanoid": {"humanBones": {bone: {"node": joints[j]} for bone, j in bones.items()}},
        "firstPerson": {"meshAnnotations": [{"node": n, "type": "auto"} for n, node in enumerate(document.json["nodes"]) if "mesh" in node]},
        "expressions": expressions(document),  # also where there are none: readers there are that without the word take no gaze either
    }
    if moves_eyes(skinning, bones):
        vrm["lookAt"] = look_at(skinning, bones, "bone", _TURN)
    elif set(GAZES) <= vrm["expressions"].get("preset", {}).keys():
        vrm["lookAt"] = look_at(skinning, bones, "expression", _SLIDE)
    return {"VRMC_vrm": vrm}


def moves_eyes(skinning: Skinning, bones: dict[str, int]) -> bool:
    """Does some of the surface hang on each eye joint? On a reconstructed face eyes are painted, and joints would turn nothing."""
    return all(side in bones and skinning.weights[skinning.joints == bones[side]].any() for side in ("leftEye", "rightEye"))


def look_at(skinning: Skinning, bones: dict[str, int], means: str, ranges: dict[str, float]) -> dict[str, Any]:
    """Gaze by the eye joints (``bone``) or by what slides on the surface (``expression``), seen from the middle between the eyes if there are such joints."""
    out: dict[str, Any] = {"type": means} | {f"rangeMap{way}": dict(ranges) for way in ("HorizontalInner", "HorizontalOuter", "VerticalDown", "VerticalUp")}
    if {"leftEye", "rightEye"} <= bones.keys():
        heads = skinning.skeleton.heads
        between = (heads[bones["leftEye"]] + heads[bones["rightEye"]]) / 2 - heads[bones["head"]]
        out["offsetFromHeadBone"] = z_up_to_y_up(between).tolist()
    return out
