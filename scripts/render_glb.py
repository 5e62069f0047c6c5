"""Renders a GLB in Blender from eight sides and in three poses to one sheet: ``python -m scripts.render_glb mika.glb -o mika.png``.

The proof that what we export is what other programs see: Blender imports the file, its own importer and its own skinning are used,
Cycles draws it in even light. Without a humanoid skeleton the poses are left out. ``--blender`` or $BLENDER names the program.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import PipelineError, StageError
from stages.artifacts.body import skin
from stages.artifacts.cameras import Camera
from stages.artifacts.glb_reader import GlbScene, dense_weights, read_glb
from stages.artifacts.images import contact_sheet, read_srgb, write_png
from stages.artifacts.showcase_poses import showcase_pose
from stages.rendering.picture import STUDIO
from stages.rendering.viewpoint import looking_at, turntable
from third_party.blender.provision import BlenderProgram, find_blender

INSIDE = Path(__file__).with_name("render_glb_inside.py")
SIDES, POSES = 8, ("T-pose", "walk", "arms up")
NEEDED = {"hips", "head", "leftUpperArm", "rightUpperArm", "leftUpperLeg", "rightUpperLeg"}
LOG_TAIL = 1500


def shots_of(scene: GlbScene, width: int, height: int) -> list[dict[str, Any]]:
    """What Blender is asked for: name, camera, and for a pose each joint's (4, 4) rest-to-posed transform in the world frame."""
    rest = np.concatenate([part.v_pos for part in scene.parts])
    shots = [_shot(f"{camera.azimuth_deg:.0f}", camera, {}) for camera in turntable(rest, SIDES, width, height)]
    skeleton = scene.skeleton
    if skeleton is None or not NEEDED <= set(skeleton.names):
        return shots
    for name in POSES:
        transforms = skeleton.joint_transforms(showcase_pose(skeleton, name))
        posed = np.concatenate([
            part.v_pos if part.joints is None else skin(part.v_pos, dense_weights(part.joints, part.weights, len(skeleton.names)), transforms)
            for part in scene.parts
        ])
        camera = looking_at(posed, 25.0, width, height)
        shots.append(_shot(name, camera, {joint: transforms[j].tolist() for j, joint in enumerate(skeleton.names)}))
    return shots


def _shot(name: str, camera: Camera, transforms: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "c2w": camera.c2w.tolist(), "focal_px": camera.fx, "width": camera.width, "height": camera.height,
            "transforms": transforms}


def render(glb: Path, blender: BlenderProgram, width: int, height: int, samples: int) -> tuple[list[np.ndarray], list[str]]:
    """Pictures (height, width, 3) uint8 before the studio's grey and their names. Raises StageError with the tail of Blender's log."""
    shots = shots_of(read_glb(glb), width, height)
    with tempfile.TemporaryDirectory() as scratch:
        request = Path(scratch) / "request.json"
        request.write_text(json.dumps({"glb": str(glb.resolve()), "folder": scratch, "samples": samples, "shots": shots}))
        done = subprocess.run(blender.command(INSIDE, str(request)), capture_output=True, text=True, check=False)
        files = [Path(scratch) / f"shot_{i:02d}.png" for i in range(len(shots))]
        if done.returncode or not all(f.is_file() for f in files):
            raise StageError(f"Blender {blender.version} ended with {done.returncode} on {glb}: {(done.stdout + done.stderr)[-LOG_TAIL:]}")
        pictures = [read_srgb(f) for f in files]
    opaque = [p[..., :3] * p[..., 3:] + (1 - p[..., 3:]) * np.array(STUDIO) / 255 for p in pictures]
    return [np.round(p * 255).astype(np.uint8) for p in opaque], [shot["name"] for shot in shots]


def main() -> int:
    """Render the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("glb", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="the sheet; default: beside the GLB, _blender.png")
    parser.add_argument("--height", type=int, default=480, help="of each picture, pixels")
    parser.add_argument("--samples", type=int, default=12, help="paths per pixel")
    parser.add_argument("--blender", type=Path, help="executable, or the Python of an environment with bpy")
    arguments = parser.parse_args()
    blender = find_blender(arguments.blender)
    if isinstance(blender, str):
        print(blender, file=sys.stderr)
        return 3
    try:
        pictures, names = render(arguments.glb, blender, round(arguments.height * 0.7), arguments.height, arguments.samples)
    except PipelineError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    output = arguments.output or arguments.glb.with_name(arguments.glb.stem + "_blender.png")
    write_png(output, contact_sheet(pictures, 4, names))
    print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
