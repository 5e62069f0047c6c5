"""Render any mesh with Blender into a data set with truth: RGBA views from chosen cameras, lit or not, and what is true of each pixel.

    python -m scripts.bench.rendered Rogue.glb --out runs/rogue --views 48 --test 24 --size 512 --without Knife Crossbow Throwable
    python -m scripts.bench.rendered Rogue.glb --out runs/rogue_lit --light sun            # or sky, or an .hdr/.exr/.png of an environment
    python -m scripts.bench.rendered Rogue.glb --out runs/mine --cameras my/transforms.json

Reads what Blender imports: GLB, glTF, OBJ, FBX, PLY, STL, USD, .blend. Cameras lie on a band of a sphere by the golden angle (``truths.band``), or are
those of a ``transforms.json``. Written are ``transforms_{train,test}.json`` in NeRF-synthetic's form with the instant-ngp intrinsics, and for each view

    {train,test}/<view>.png       RGBA, straight alpha, sRGB; unlit: the base colour
    truth/albedo, normal, orm     PNG with alpha: base colour (sRGB); world normals as (n + 1) / 2; (1, roughness, metallic), glTF's order
    truth/mask                    PNG, coverage
    truth/depth                   .npy, (H, W) float32 metres along the view axis, one sample at about the pixel's middle, infinite where nothing is

so that ``views: {source: images, folder: runs/rogue}`` reconstructs it. Materials are read from Principled shaders, as importers make them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from scripts.bench.truths import band
from stages.artifacts.cameras import Camera
from stages.artifacts.images import linear_to_srgb, to_u8, write_png
from stages.artifacts.transforms import read_transforms, write_transforms
from third_party.blender.exr import read_exr
from third_party.blender.process import BlenderRun

INSIDE = Path(__file__).with_name("rendered_inside.py")
FAR_M = 1e9  # Blender's depth of nothing is farther
MATERIALS = ("albedo", "orm")


def bounds_of(request: dict[str, Any], work: Path) -> tuple[np.ndarray, float]:
    """The middle (3,) of the mesh's box and the radius of the sphere about it that holds every vertex, metres."""
    with BlenderRun(str(INSIDE), request | {"views": []}, work) as run:
        answer = run.response()
    return np.array(answer["middle"]), float(answer["radius"])


def passes_of(request: dict[str, Any], cameras: Sequence[Camera], work: Path) -> Iterator[dict[str, np.ndarray]]:
    """For each camera, as Blender finishes it: pass -> (H, W) or (H, W, 3 or 4) float32, colours linear and premultiplied, normals of unit length."""
    views = [{"c2w": c.c2w.tolist(), "fx": c.fx, "fy": c.fy, "cx": c.cx, "cy": c.cy, "width": c.width, "height": c.height} for c in cameras]
    with BlenderRun(str(INSIDE), request | {"views": views}, work) as run:
        for path in run.files([f"view_{i:05d}.exr" for i in range(len(cameras))]):
            yield unpacked(read_exr(path))
            path.unlink()
        run.response()


def unpacked(channels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Blender's ``<layer>.<pass>.<component>`` put together by pass."""
    by_pass = {tuple(name.split(".")[-2:]): values for name, values in channels.items()}
    of = lambda name, parts: np.stack([by_pass[name, part] for part in parts], -1)  # noqa: E731
    normal = of("Normal", "XYZ")
    depth = by_pass["Depth", "V"] if ("Depth", "V") in by_pass else by_pass["Depth", "Z"]
    return {
        "rgba": of("Combined", "RGBA"), "depth": np.where(depth < FAR_M, depth, np.inf).astype(np.float32),
        "normal": normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9), **{name: of(name, "RGB") for name in MATERIALS},
    }  # fmt: skip


def straight(premultiplied: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(H, W, 3) divided by coverage (H, W)."""
    return premultiplied / np.maximum(alpha, 1e-4)[..., None]


def write_view(folder: Path, camera: Camera, split: str, given: dict[str, np.ndarray], lit: bool) -> None:
    """The picture and its truth."""
    alpha = given["rgba"][..., 3].clip(0, 1)
    with_alpha = lambda x: to_u8(np.dstack([x.clip(0, 1), alpha]))  # noqa: E731
    albedo = linear_to_srgb(straight(given["albedo"], alpha))
    picture = linear_to_srgb(straight(given["rgba"][..., :3], alpha)) if lit else albedo
    write_png(folder / split / f"{camera.name}.png", with_alpha(picture))
    write_png(folder / "truth/albedo" / f"{camera.name}.png", with_alpha(albedo))
    write_png(folder / "truth/orm" / f"{camera.name}.png", with_alpha(straight(given["orm"], alpha)))
    write_png(folder / "truth/normal" / f"{camera.name}.png", with_alpha((given["normal"] + 1) / 2))
    write_png(folder / "truth/mask" / f"{camera.name}.png", to_u8(alpha))
    target = folder / "truth/depth" / f"{camera.name}.npy"
    target.parent.mkdir(parents=True, exist_ok=True)
    np.save(target, given["depth"])


def make(mesh: Path, out: Path, light: str, cameras: dict[str, list[Camera]], samples: int, without: Sequence[str], seed: int = 0) -> None:
    """Write the data set; ``cameras`` by split. A folder that is there is filled, not emptied."""
    with tempfile.TemporaryDirectory() as work:
        flat = [(split, camera) for split, some in cameras.items() for camera in some]
        request = request_of(mesh, light, samples, without, seed)
        for (split, camera), given in zip(flat, passes_of(request, [c for _, c in flat], Path(work)), strict=True):
            write_view(out, camera, split, given, light != "none")
            print(f"{split}/{camera.name}", flush=True)
    for split, some in cameras.items():
        if some:
            write_transforms(out / f"transforms_{split}.json", some, [f"{split}/{c.name}" for c in some])
    about = {"mesh": mesh.name, "light": light, "samples": samples, "without": list(without)}
    (out / "truth/about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def request_of(mesh: Path, light: str, samples: int, without: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """What the script inside Blender is asked for."""
    environment = str(Path(light).resolve()) if light not in ("none", "sun", "sky") else ""
    return {"mesh": str(mesh.resolve()), "light": light, "environment": environment, "samples": samples, "without": list(without), "seed": seed}


def chosen(o: argparse.Namespace) -> dict[str, list[Camera]]:
    """The cameras of the command line, by split."""
    if o.cameras is not None:
        return {"train": [frame.camera for frame in read_transforms(o.cameras)], "test": []}
    with tempfile.TemporaryDirectory() as work:
        middle, radius = bounds_of(request_of(o.mesh, "none", 1, o.without), Path(work))
    return {"train": band("r", middle, radius, o.views, 0.0, o.size), "test": band("t", middle, radius, o.test, 71.0, o.size)}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mesh", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--views", type=int, default=48, help="to learn from")
    parser.add_argument("--test", type=int, default=24, help="held out")
    parser.add_argument("--size", type=int, default=512, help="of the square pictures, pixels")
    parser.add_argument("--cameras", type=Path, help="a transforms.json, whose cameras are taken instead")
    parser.add_argument("--light", default="none", help="none, sun (warm, with a weak sky), sky, or the file of an environment")
    parser.add_argument("--samples", type=int, default=32, help="paths per pixel")
    parser.add_argument("--without", nargs="*", default=[], help="words; objects with one of them in their name are left out")
    o = parser.parse_args()
    try:
        make(o.mesh, o.out, o.light, chosen(o), o.samples, o.without)
    except PipelineError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(o.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
