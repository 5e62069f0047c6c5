"""Landmarks of an imported head, estimated from its shape and joints: enough for framing and for the body points of a pose."""

from __future__ import annotations

import numpy as np

from stages.artifacts.body import BodyModel

# Heights above the chin in heights of the face (chin to crown), of an anime head; the eyes' distance from the middle in its half width.
_EYE_SHARE, _NOSE_SHARE, _MOUTH_SHARE, _EYE_APART = 0.42, 0.26, 0.14, 0.42


def estimate_landmarks(body: BodyModel) -> dict[str, int]:
    """chin, crown, nose_tip, eye_l, eye_r, ear_l, ear_r, mouth_top -> vertex index. World frame, facing -Y."""
    skeleton = body.skeleton
    head = skeleton.index("head")
    own = [j for j, name in enumerate(skeleton.names) if j == head or name in ("leftEye", "rightEye", "jaw")]
    mine = np.flatnonzero(body.weights[:, own].sum(1) > 0.5)
    if not len(mine):
        mine = np.flatnonzero(body.v_pos[:, 2] > skeleton.heads[head][2])
    v = body.v_pos[mine]
    middle = skeleton.heads[head][0]
    front = v[:, 1] < np.median(v[:, 1])
    low, high = v[front][:, 2].min(), v[:, 2].max()
    width = np.ptp(v[:, 0]) / 2
    depth = np.ptp(v[:, 1])

    def frontmost(x: float, z: float) -> int:
        off = np.hypot(v[:, 0] - x, v[:, 2] - z) + 0.35 * (v[:, 1] - v[:, 1].min())
        return int(mine[off.argmin()])

    def sidemost(side: float, z: float) -> int:
        off = np.abs(v[:, 2] - z) + np.abs(v[:, 1] - (v[:, 1].min() + 0.55 * depth)) - 0.8 * side * (v[:, 0] - middle)
        return int(mine[off.argmin()])

    at = lambda share: low + share * (high - low)  # noqa: E731
    eyes = {s: (middle + s * _EYE_APART * width, at(_EYE_SHARE)) for s in (1.0, -1.0)}
    for name, s in (("leftEye", 1.0), ("rightEye", -1.0)):
        if name in skeleton.names:
            eyes[s] = tuple(skeleton.heads[skeleton.index(name)][[0, 2]])
    return {
        "chin": frontmost(middle, low), "crown": int(mine[v[:, 2].argmax()]), "nose_tip": frontmost(middle, at(_NOSE_SHARE)),
        "mouth_top": frontmost(middle, at(_MOUTH_SHARE)), "eye_l": frontmost(*eyes[1.0]), "eye_r": frontmost(*eyes[-1.0]),
        "ear_l": sidemost(1.0, eyes[1.0][1]), "ear_r": sidemost(-1.0, eyes[-1.0][1]),
    }
