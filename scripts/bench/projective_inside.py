"""Runs inside an environment with Mitsuba 3: gradients of one scene by ``prb_projective``, one for each line that is asked.

    python projective_inside.py scene.npz threads

The first line of the answer says the versions. Then, for each line ``{"primal": n, "interior": n, "silhouette": n, "seed": n}`` of samples a pixel on the
standard input, one line ``{"update_s", "picture_s", "gradient_s", "cpu_s", "d_modes", "loss"}``. Imports numpy, Mitsuba and the standard library only.
"""

from __future__ import annotations

import json
import math
import sys
import time

import drjit as dr
import mitsuba as mi
import numpy as np

VARIANT = "llvm_ad_rgb"


def tell(answer: dict) -> None:
    """One line of JSON, at once."""
    print(json.dumps(answer), flush=True)


def make_scene(given: dict[str, np.ndarray]) -> mi.Scene:
    """The mesh with its colours as light of its own, so that one sample of a pixel holds no noise but where in the pixel it lies."""
    side = int(given["side_px"])
    props = mi.Properties()
    props["emitter"] = mi.load_dict({"type": "area", "radiance": {"type": "mesh_attribute", "name": "vertex_color"}})
    mesh = mi.Mesh("ring", len(given["v_pos"]), len(given["t_pos_idx"]), has_vertex_normals=False, has_vertex_texcoords=False, props=props)
    mesh.add_attribute("vertex_color", 3, given["colours"].astype(np.float32).ravel())
    params = mi.traverse(mesh)
    params["vertex_positions"] = mi.Float(given["v_pos"].astype(np.float32).ravel())
    params["faces"] = mi.UInt32(given["t_pos_idx"].astype(np.uint32).ravel())
    params.update()
    to_world = given["c2w"] @ np.diag([-1.0, 1.0, -1.0, 1.0])  # Mitsuba looks along +Z with +X to the left
    sensor = {
        "type": "perspective", "fov_axis": "x", "fov": 2 * math.degrees(math.atan(side / (2 * float(given["focal_px"])))),
        "near_clip": 0.05, "far_clip": 50.0, "to_world": mi.ScalarTransform4f(to_world.tolist()),
        "film": {"type": "hdrfilm", "width": side, "height": side, "rfilter": {"type": "box"}, "pixel_format": "rgb", "component_format": "float32"},
        "sampler": {"type": "independent"},
    }
    return mi.load_dict({"type": "scene", "mesh": mesh, "sensor": sensor})


def gradient(scene: mi.Scene, given: dict[str, np.ndarray], target: mi.TensorXf, asked: dict[str, int]) -> dict:
    """Update of the mesh, picture, and gradient of the mean squared difference, each timed to its end."""
    integrator = mi.load_dict({"type": "prb_projective", "max_depth": 1, "sppc": asked["interior"], "sppp": asked["silhouette"], "sppi": 0})
    params = mi.traverse(scene)
    key = next(k for k in params.keys() if k.endswith("vertex_positions"))
    began, spent = time.perf_counter(), time.process_time()
    v_pos = mi.Float(given["v_pos"].astype(np.float32).ravel())
    dr.enable_grad(v_pos)
    params[key] = v_pos
    params.update()
    dr.eval(params[key])
    dr.sync_thread()
    updated = time.perf_counter()
    with dr.suspend_grad():
        picture = integrator.render(scene, seed=2 * asked["seed"], spp=asked["primal"])
        d_picture = 2 * (picture - target) / float(np.prod(target.shape))
        loss = dr.mean(dr.square(picture - target), axis=None)
        dr.eval(d_picture, loss)
        dr.sync_thread()
    drawn = time.perf_counter()
    integrator.render_backward(scene, params, d_picture, seed=2 * asked["seed"] + 1, spp=0)
    d_pos = dr.grad(params[key])
    dr.eval(d_pos)
    dr.sync_thread()
    done, spent = time.perf_counter(), time.process_time() - spent
    d_modes = np.tensordot(given["modes"], np.array(d_pos, np.float64).reshape(-1, 3), 2)
    return {"update_s": updated - began, "picture_s": drawn - updated, "gradient_s": done - drawn, "cpu_s": spent, "d_modes": d_modes.tolist(),
            "loss": float(np.array(loss).ravel()[0])}


def main() -> None:
    """Answer until the input ends."""
    with np.load(sys.argv[1], allow_pickle=False) as file:
        given = {k: file[k] for k in file.files}
    mi.set_variant(VARIANT)
    mi.set_log_level(mi.LogLevel.Error)
    dr.set_thread_count(int(sys.argv[2]))
    target = mi.TensorXf(given["target"].astype(np.float32))
    scene = make_scene(given)
    tell({"versions_there": {"mitsuba": mi.__version__, "drjit": dr.__version__, "variant": VARIANT}})
    for line in sys.stdin:
        tell(gradient(scene, given, target, json.loads(line)))


if __name__ == "__main__":
    main()
