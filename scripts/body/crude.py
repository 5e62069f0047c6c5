"""A first stand-in: closed tubes with the right joints, parts and landmarks."""

from __future__ import annotations

import numpy as np

from scripts.body.cage import Cage
from scripts.body.skeleton import ANKLE, ARM_AXIS, CHIN_Z, ELBOW, EYE, FINGERS, HIP, KNEE, SHOULDER, WRIST, arm_point, finger_joints


def tube(cage: Cage, centres, radii, parts, region, n=8, half=False) -> list[list[int]]:
    """Rings about ``centres``; ``radii`` (front-back depth, side width)."""
    centres = [np.asarray(c, float) for c in centres]
    loops = []
    for k, c in enumerate(centres):
        d = centres[min(k + 1, len(centres) - 1)] - centres[max(k - 1, 0)]
        d /= np.linalg.norm(d)
        front = np.array([0, -1.0, 0]) if abs(d[1]) < 0.8 else np.array([0, 0, 1.0])
        front = front - d * (front @ d)
        front /= np.linalg.norm(front)
        side = np.cross(d, front)
        a = np.linspace(0, np.pi, n // 2 + 1) if half else np.arange(n) / n * 2 * np.pi
        rf, rs = radii[k] if isinstance(radii[k], tuple) else (radii[k], radii[k])
        ring = [c + rf * np.cos(t) * front + rs * np.sin(t) * side for t in a]
        if half:
            for p in (ring[0], ring[-1]):
                p[0] = 0.0
        loops.append([cage.add(p, region) for p in ring])
    for k in range(len(loops) - 1):
        part = parts[k]
        if half:
            m = n // 4
            cage.band(part[0], loops[k][: m + 1], loops[k + 1][: m + 1], closed=False)
            cage.band(part[1], loops[k][m:], loops[k + 1][m:], closed=False)
        else:
            cage.band(part, loops[k], loops[k + 1])
    return loops


def model() -> Cage:
    """Left half; tubes touch but are not joined yet."""
    c = Cage()
    z = CHIN_Z
    zs = [.79, .82, .86, .92, .98, 1.04, 1.10, 1.15, 1.20, 1.24, 1.255, 1.262]
    r = [(.04, .05), (.095, .13), (.105, .155), (.09, .14), (.08, .115), (.085, .12), (.11, .13), (.115, .135), (.095, .135), (.06, .10), (.045, .05), (.02, .02)]
    P, A, C = ("pelvis_front", "pelvis_back"), ("abdomen", "lower_back"), ("chest", "upper_back")
    t = tube(c, [(0, .01, q) for q in zs], r, [P, P, P, A, A, A, C, C, C, C, C], "trunk", 16, True)
    n = tube(c, [(0, .02, 1.23), (0, .02, 1.245), (0, .02, 1.3), (0, .015, 1.35), (0, .015, 1.37)], [.02, .045, .04, .042, .02], [("neck", "neck")] * 4, "trunk", 16, True)
    hz = np.array([0, .008, .03, .06, .09, .115, .14, .165, .19, .215, .24, .252, .255])
    hr = [(.03, .012), (.06, .03), (.075, .05), (.085, .068), (.092, .08), (.095, .086), (.1, .09), (.1, .091), (.095, .087), (.08, .075), (.05, .05), (.025, .025), (.01, .01)]
    hy = [-.045, -.03, -.01, .0, .003, .005, .006, .006, .006, .006, .006, .006, .006]
    h = tube(c, [(0, y, z + q) for y, q in zip(hy, hz)], hr, [("face", "scalp")] * 7 + [("scalp", "scalp")] * 5, "trunk", 16, True)
    for loops in (t, n, h):
        for k, loop in ((0, loops[0]), (-1, loops[-1])):
            mid = c.add((0, np.mean([c.points[i][1] for i in loop]), c.points[loop[0]][2]), "trunk")
            part = {id(t): P[0] if k == 0 else "neck", id(n): "neck", id(h): "face" if k == 0 else "scalp"}[id(loops)]
            for i in range(len(loop) - 1):
                c.face(part, *((mid, loop[i + 1], loop[i]) if k == 0 else (mid, loop[i], loop[i + 1])))
    along = lambda u: SHOULDER + u * ARM_AXIS  # noqa: E731
    closed(c, [along(u) for u in (-.03, -.02, .02, .12, .21, .24, .27, .34, .43, .46)], [.02, .045, .046, .036, .032, .031, .032, .028, .019, .017],
           ["upper_arm_l"] * 5 + ["lower_arm_l"] * 4, "arm_l")
    closed(c, [arm_point(u, 0, 0) for u in (-.005, .0, .03, .06, .075, .08)], [(.01, .01), (.02, .015), (.032, .013), (.034, .012), (.032, .010), (.02, .007)], ["hand_l"] * 5, "arm_l")
    for f in FINGERS:
        j = finger_joints(f)
        closed(c, [j[0] - .1 * (j[1] - j[0]), j[0], j[1], j[2], .8 * j[3] + .2 * j[2], j[3]], [.004, .008, .0075, .007, .006, .003], ["hand_l"] * 5, f.lower() + "_l", 6)
    closed(c, [HIP + (0, 0, -.03), HIP + (0, 0, -.05), .6 * HIP + .4 * KNEE, KNEE + (0, 0, .04), KNEE, KNEE - (0, 0, .05), .6 * KNEE + .4 * ANKLE, ANKLE + (0, 0, .03), ANKLE, ANKLE - (0, 0, .05), ANKLE - (0, 0, .076)],
           [.04, .076, .07, .05, .046, .044, .05, .032, .03, .034, .03], ["upper_leg_l"] * 4 + ["lower_leg_l"] * 4 + ["foot_l"] * 2, "leg_l", 12)
    closed(c, [ANKLE + (0, .03, -.05), ANKLE + (0, .02, -.048), ANKLE + (.002, -.05, -.05), ANKLE + (.008, -.12, -.056), ANKLE + (.01, -.16, -.062), ANKLE + (.01, -.168, -.062)],
           [(.015, .02), (.028, .03), (.027, .036), (.02, .038), (.013, .03), (.005, .01)], ["foot_l"] * 5, "leg_l", 8)
    eye = closed(c, [EYE + (0, q, 0) for q in (.022, .018, .008, -.006, -.016, -.019, -.02)], [.006, .014, .022, .024, .0185, .012, .004],
                 ["eye_l"] * 4 + ["iris_l"] * 2, "eye_l", 12, ("eye_l", "iris_l"))
    landmarks(c, eye[1])
    return c


def closed(c, centres, radii, parts, region, n=8, caps=None):
    loops = tube(c, centres, radii, parts, region, n)
    ends = []
    for k, loop in ((0, loops[0]), (-1, loops[-1])):
        mid = c.add(np.mean([c.points[i] for i in loop], 0), region)
        ends.append(mid)
        part = (caps or (parts[0], parts[-1]))[k]
        for i in range(n):
            j = (i + 1) % n
            c.face(part, *((mid, loop[j], loop[i]) if k == 0 else (mid, loop[i], loop[j])))
    return ends


def landmarks(c: Cage, eye: int) -> None:
    """Nearest head vertices to where the features will be."""
    pts = np.array(c.points)
    e = EYE[2]
    want = {"nose_tip": (0, -.09, CHIN_Z + .075), "eye_l_inner": (.02, -.09, e), "eye_l_outer": (.057, -.08, e), "eye_l_top": (.0385, -.09, e + .02),
            "eye_l_bottom": (.0385, -.09, e - .02), "brow_l_inner": (.018, -.09, e + .032), "brow_l_mid": (.04, -.09, e + .038), "brow_l_outer": (.06, -.07, e + .03),
            "mouth_left": (.014, -.08, CHIN_Z + .045), "mouth_top": (0, -.08, CHIN_Z + .049), "mouth_bottom": (0, -.08, CHIN_Z + .04), "chin": (0, -.07, CHIN_Z),
            "ear_l": (.088, .01, CHIN_Z + .1), "crown": (0, .006, CHIN_Z + .255), "jaw_l": (.06, -.01, CHIN_Z + .04)}
    for name, p in want.items():
        free = np.array([i not in c.names.values() and abs(pts[i, 0] * (p[0] == 0)) < 1e-9 and (p[0] == 0 or pts[i, 0] > 1e-6) for i in range(len(pts))])
        c.names[name] = int(np.argmin(np.where(free, np.linalg.norm(pts - p, axis=1), 9)))
    c.names["eye_l"] = eye
