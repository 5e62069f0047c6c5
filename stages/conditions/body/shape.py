"""Other figures from the one base body: girths, widths and lengths as factors, for its surface and its joints alike.

A point is moved as the region that its skin weights say it belongs to: the trunk is widened about its own axis by height, arms are
carried along by the shoulders and legs by the hips and thicken about their bones, the head grows from its joint. Topology, parts,
landmarks and weights stay, so that everything after it (parts, keypoints, face, hands) works as on the base body.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.interpolate import PchipInterpolator

from stages.artifacts.body import BodyModel, Skeleton

BUST = (np.array([0.060, -0.085, 1.128]), np.array([0.036, 0.05, 0.036]), 0.040)  # middle (|x|, y, z), spread, height: as it was modelled, metres
ARM_BONES = ("UpperArm", "LowerArm", "Hand", "Thumb", "Index", "Middle", "Ring", "Little")
LEG_BONES = ("UpperLeg", "LowerLeg", "Foot", "Toes")
HEAD_BONES = ("head", "jaw", "Eye")
CROTCH_M = 0.04  # half the width of what lies between the legs and is not carried with either
THIGHS_APART_M = 0.004  # half the gap that thighs keep between them


@dataclass(frozen=True)
class Shape:
    """Factors; 1 leaves the base body as it is. ``bust`` 0 is flat."""

    height: float = 1.0
    head: float = 1.0
    neck: float = 1.0
    shoulders: float = 1.0
    bust: float = 1.0
    waist: float = 1.0
    hips: float = 1.0
    limbs: float = 1.0
    legs: float = 1.0

    def __mul__(self, other: Shape) -> Shape:
        """One after the other."""
        return Shape(*(getattr(self, f.name) * getattr(other, f.name) for f in fields(self)))


FIGURES = {
    "female": Shape(),
    "male": Shape(height=1.06, head=0.97, neck=1.22, shoulders=1.17, bust=0.0, waist=1.20, hips=0.97, limbs=1.14, legs=1.02),
}


def shaped(body: BodyModel, shape: Shape) -> BodyModel:
    """The base body in rest pose with another figure; the soles stay on z = 0."""
    if shape == Shape():
        return body
    skeleton = body.skeleton
    measures = _Measures.of(body)
    owners = np.eye(len(skeleton.names))
    heads, tails = (_moved(p, owners, skeleton, measures, shape) for p in (skeleton.heads, skeleton.tails))
    v_pos = _moved(body.v_pos, body.weights, skeleton, measures, shape)
    return replace(body, v_pos=v_pos, skeleton=replace(skeleton, heads=heads, tails=tails))


@dataclass(frozen=True)
class _Measures:
    """Joints of the base body that lengths and girths are taken about, metres."""

    shoulder: np.ndarray
    wrist: np.ndarray
    hip: np.ndarray
    knee: np.ndarray
    ankle: np.ndarray
    neck: np.ndarray
    head: np.ndarray
    waist_z: float

    @classmethod
    def of(cls, body: BodyModel) -> _Measures:
        at = lambda name: np.asarray(body.skeleton.heads[body.skeleton.index(name)], float)  # noqa: E731
        return cls(
            at("leftUpperArm"), at("leftHand"), at("leftUpperLeg"), at("leftLowerLeg"), at("leftFoot"), at("neck"), at("head"),
            float(0.5 * (at("spine")[2] + at("chest")[2])),
        )  # fmt: skip


def _moved(p: np.ndarray, weights: np.ndarray, skeleton: Skeleton, m: _Measures, shape: Shape) -> np.ndarray:
    """Points (N, 3) with the shares (N, J) that joints have in them, moved."""
    share = lambda bones: weights[:, [any(b in name for b in bones) for name in skeleton.names]].sum(1, keepdims=True)  # noqa: E731
    arm, leg, head = share(ARM_BONES), share(LEG_BONES), share(HEAD_BONES)
    side = np.where(p[:, :1] < 0, -1.0, 1.0) * (1, 0, 0) + (0, 1, 1)  # mirrored to the left half and back
    left = p * side
    moved = _trunk(left, m, shape) * (1 - arm - leg - head) + _arm(left, m, shape) * arm + _leg(left, m, shape) * leg + _head(left, m, shape) * head
    moved[:, 2] = np.where(moved[:, 2] < m.hip[2], moved[:, 2] * shape.legs, moved[:, 2] + (shape.legs - 1) * m.hip[2])
    return moved * side * shape.height


def _widths(z: np.ndarray, m: _Measures, shape: Shape) -> np.ndarray:
    """(N,) factor of the trunk's girth at heights."""
    ribs = 0.5 + 0.25 * (shape.shoulders + shape.waist)
    knots = ((0.0, shape.hips), (m.hip[2], shape.hips), (m.waist_z, shape.waist), (m.shoulder[2] - 0.10, ribs), (m.shoulder[2], shape.shoulders),
             (m.neck[2] + 0.03, shape.neck), (m.head[2], shape.neck), (m.head[2] + 0.05, 1.0), (3.0, 1.0))  # fmt: skip
    return PchipInterpolator(*np.array(knots).T)(z)


def _trunk(left: np.ndarray, m: _Measures, shape: Shape) -> np.ndarray:
    width = _widths(left[:, 2], m, shape)
    depth = 1 + 0.6 * (width - 1)
    middle, spread, height = BUST
    bust = np.exp(-((((left - middle) / spread) ** 2).sum(1))) * (left[:, 1] < 0)
    y = left[:, 1] + height * (1 - shape.bust) * bust * 0.8
    return np.stack([left[:, 0] * width, m.hip[1] + (y - m.hip[1]) * depth, left[:, 2]], 1)


def _arm(left: np.ndarray, m: _Measures, shape: Shape) -> np.ndarray:
    """Carried outward by the shoulder, thicker about the bone, hands half as much."""
    axis = (m.wrist - m.shoulder) / np.linalg.norm(m.wrist - m.shoulder)
    along = (left - m.shoulder) @ axis
    on_axis = m.shoulder + along[:, None] * axis
    to_wrist = np.clip(along / np.linalg.norm(m.wrist - m.shoulder), 0, 1)[:, None]
    girth = 1 + (shape.limbs - 1) * (1 - 0.5 * to_wrist**4)
    carried = np.array([m.shoulder[0] * (shape.shoulders - 1), 0, 0])
    return on_axis + (left - on_axis) * girth + carried


def _leg(left: np.ndarray, m: _Measures, shape: Shape) -> np.ndarray:
    """Carried by the hip, thicker about the bones from below the crotch on, feet half as much; the thighs keep apart."""
    z = left[:, 2]
    axis = np.stack([np.interp(z, [m.ankle[2], m.knee[2], m.hip[2]], [q[k] for q in (m.ankle, m.knee, m.hip)]) for k in (0, 1)], 1)
    thick = np.interp(z, [0.0, m.ankle[2], m.ankle[2] + 0.1, m.knee[2], m.hip[2] - 0.08, m.hip[2]], [0.5, 0.5, 1.0, 1.0, 0.35, 0.0])[:, None]
    xy = axis + (left[:, :2] - axis) * (1 + (shape.limbs - 1) * thick)
    xy[:, 0] = left[:, 0] + (xy[:, 0] + m.hip[0] * (shape.hips - 1) - left[:, 0]) * np.clip(left[:, 0] / CROTCH_M, 0, 1)
    below = np.clip((m.hip[2] - 0.06 - z) / 0.04, 0, 1)
    xy[:, 0] = np.maximum(xy[:, 0], below * np.minimum(THIGHS_APART_M, left[:, 0]))
    return np.column_stack([xy, z])


def _head(left: np.ndarray, m: _Measures, shape: Shape) -> np.ndarray:
    return m.head + (left - m.head) * shape.head
