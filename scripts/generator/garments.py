"""How cloth lies on the body: fields over its vertices that say where a sleeve ends, a neck opens, a hem runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scripts.generator.assemble import Piece
from scripts.generator.atlas import place
from scripts.generator.shell import Surface, adjacency, hemmed, lifted
from stages.artifacts.body import BodyModel
from stages.artifacts.normals import vertex_normals

ARM_BONES = ("UpperArm", "LowerArm", "Hand", "Thumb", "Index", "Middle", "Ring", "Little")


class Figure:
    """A body with what tailors measure. Heights in metres; ``along_arm`` (V,) 0 at the shoulder joint, 1 at the wrist."""

    def __init__(self, body: BodyModel) -> None:
        self.body = body
        head = lambda name: np.asarray(body.skeleton.heads[body.skeleton.index(name)], float)  # noqa: E731
        self.shoulder, self.wrist = head("leftUpperArm"), head("leftHand")
        self.arm_m = float(np.linalg.norm(self.wrist - self.shoulder))
        self.neck = head("neck")
        self.crotch_z = head("leftUpperLeg")[2] - 0.03
        self.knee_z, self.ankle_z = head("leftLowerLeg")[2], head("leftFoot")[2]
        spine, chest = head("spine"), head("chest")
        self.waist_z = float(0.45 * spine[2] + 0.55 * chest[2])
        self.hips_z = float(head("hips")[2])
        self.leg_x = float(head("leftUpperLeg")[0])
        self.leg_top, self.knee = head("leftUpperLeg"), head("leftLowerLeg")

    @cached_property
    def normal(self) -> np.ndarray:
        """(V, 3) normals, smoothed so that cloth does not follow every crease."""
        n = vertex_normals(self.body.v_pos, self.body.t_pos_idx)
        mean = adjacency(self.body.t_pos_idx, len(n))
        for _ in range(4):
            n = 0.5 * n + 0.5 * (mean @ n)
        return n / (np.linalg.norm(n, axis=1, keepdims=True) + 1e-12)

    @cached_property
    def arm_weight(self) -> np.ndarray:
        """(V,) share of the arm's bones."""
        columns = [i for i, n in enumerate(self.body.skeleton.names) if any(b in n for b in ARM_BONES)]
        return self.body.weights[:, columns].sum(1)

    @cached_property
    def along_arm(self) -> np.ndarray:
        """(V,) position along the arm, both arms alike."""
        p = self.body.v_pos * np.where(self.body.v_pos[:, :1] < 0, (-1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
        axis = (self.wrist - self.shoulder) / self.arm_m
        return (p - self.shoulder) @ axis / self.arm_m

    @cached_property
    def is_hand(self) -> np.ndarray:
        """(V,) bool."""
        return self._part("hand_l", "hand_r")

    @cached_property
    def is_head(self) -> np.ndarray:
        """(V,) bool: head without the neck."""
        skeleton = self.body.skeleton
        columns = [skeleton.index(n) for n in ("head", "jaw", "leftEye", "rightEye") if n in skeleton.names]
        return self.body.weights[:, columns].sum(1) > 0.5

    def _part(self, *names: str) -> np.ndarray:
        wanted = [i for i, n in enumerate(self.body.part_names) if n in names]
        out = np.zeros(len(self.body.v_pos), bool)
        out[self.body.t_pos_idx[np.isin(self.body.t_part, wanted)]] = True
        return out

    @property
    def z(self) -> np.ndarray:
        """(V,) heights."""
        return self.body.v_pos[:, 2]

    def sleeve_field(self, end: float) -> np.ndarray:
        """(V,) metres left to the sleeve's end (a share of the arm); large on the trunk."""
        far = (end - self.along_arm) * self.arm_m
        return np.where((self.arm_weight > 0.3) | (self.along_arm > 0.6) & (np.abs(self.body.v_pos[:, 0]) > self.shoulder[0]), far, 1.0)

    def armhole_field(self, share: float = 0.50) -> np.ndarray:
        """(V,) positive on the trunk, zero round the shoulder joint."""
        return (share - self.arm_weight) * 0.1

    def scoop_field(self, depth: float, half_width: float = 0.062) -> np.ndarray:
        """(V,) metres outside a round opening that leaves straps over the shoulders, ``depth`` below the neck in front."""
        x, y = self.body.v_pos[:, 0], self.body.v_pos[:, 1] - self.neck[1]
        low = self.neck[2] - np.where(y < 0, depth, 0.45 * depth)
        inside = np.hypot(x / half_width, np.minimum(self.z - low - half_width, 0.0) / half_width)
        return np.where(self.z > low, (inside - 1) * half_width, low - self.z)

    def neck_field(self, drop: float = 0.0, vee: float = 0.0) -> np.ndarray:
        """(V,) metres below a slanted neckline, ``drop`` lower all round and ``vee`` deeper in front."""
        x, y = self.body.v_pos[:, 0], self.body.v_pos[:, 1] - self.neck[1]
        line = self.neck[2] + 0.012 - drop + 0.35 * y - self.z
        shoulder = np.where(self.z < self.neck[2] + 0.03, np.hypot(x, y) - 0.074, -1.0)
        field = np.maximum(line, shoulder)  # the shoulders, high as they may rise, stay covered
        if not vee:
            return field
        front = np.clip(-y / 0.05, 0, 1)
        return np.minimum(field, np.where(np.abs(x) < 0.09, line - front * np.maximum(vee - 1.15 * np.abs(x), 0.0), 1.0))

    def above(self, z: float, slope: float = 0.0) -> np.ndarray:
        """(V,) metres above a height."""
        return self.z - z - slope * self.body.v_pos[:, 1]


@dataclass(frozen=True)
class Weave:
    """Where a surface's triangles go in the texture: trunk round its axis, arms round theirs."""

    tile: str
    sleeve: str
    z_low: float
    z_high: float


def trunk_uv(p: np.ndarray, centre_y: float, z_low: float, z_high: float) -> tuple[np.ndarray, np.ndarray]:
    """Tile coordinates of corners (F, 3, 3): s = 0.5 in front, rising to the character's left; t between the heights."""
    turn = np.arctan2(p[..., 0], -(p[..., 1] - centre_y)) / np.pi
    turn = np.where((turn.max(1) - turn.min(1) > 1.0)[:, None] & (turn < 0), turn + 2.0, turn)
    return np.clip(0.5 + turn / 2.2, 0, 1), np.clip((p[..., 2] - z_low) / (z_high - z_low), 0, 1)


def arm_uv(figure: Figure, p: np.ndarray, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Tile coordinates of corners on sleeves: s round the arm (0.5 in front), t = 1 at the shoulder, 0 at the sleeve's end."""
    q = p * np.where(p[..., :1] < 0, (-1.0, 1.0, 1.0), (1.0, 1.0, 1.0)) - figure.shoulder
    axis = (figure.wrist - figure.shoulder) / figure.arm_m
    along = q @ axis / figure.arm_m
    up = np.array([-axis[2], 0.0, axis[0]])
    turn = np.arctan2(q @ up, -q[..., 1]) / np.pi
    turn = np.where((turn.max(1) - turn.min(1) > 1.0)[:, None] & (turn < 0), turn + 2.0, turn)
    return np.clip(0.5 + turn / 2.2, 0, 1), np.clip(1 - (along + 0.3) / (end + 0.3), 0, 1)


def leg_uv(figure: Figure, p: np.ndarray, z_low: float, z_high: float) -> tuple[np.ndarray, np.ndarray]:
    """Tile coordinates of corners on legs: s round the nearer leg's axis, t between the heights."""
    side = np.where(p.mean(1, keepdims=True)[..., :1] < 0, -1.0, 1.0)
    axis = np.interp(p[..., 2], [figure.ankle_z, figure.knee_z, figure.leg_top[2]], [0.004, figure.knee[1], figure.leg_top[1]])
    turn = np.arctan2(p[..., 0] * side[..., 0] - figure.leg_x, -(p[..., 1] - axis)) / np.pi
    turn = np.where((turn.max(1) - turn.min(1) > 1.0)[:, None] & (turn < 0), turn + 2.0, turn)
    return np.clip(0.5 + turn / 2.2, 0, 1), np.clip((p[..., 2] - z_low) / (z_high - z_low), 0, 1)


def cloth(
    figure: Figure, field: np.ndarray, offset_m: np.ndarray | float, rounds: int = 6, depth_m: float = 0.003
) -> tuple[Surface, np.ndarray]:
    """A hemmed shell over the region where ``field`` > 0; (surface, rim triangles)."""
    return hemmed(lifted(figure.body, figure.normal, field, offset_m, rounds), depth_m)


def upper_piece(figure: Figure, surface: Surface, part: str, weave: Weave, sleeve_end: float) -> Piece:
    """A shirt's surface in the texture."""
    corners = surface.base[surface.tri]
    columns = [i for i, n in enumerate(figure.body.skeleton.names) if any(b in n for b in ARM_BONES)]
    on_arm = surface.weights[:, columns].sum(1)[surface.tri].mean(1) > 0.5
    trunk = place(weave.tile, *trunk_uv(corners, figure.neck[1] * 0.5, weave.z_low, weave.z_high))
    arm = place(weave.sleeve, *arm_uv(figure, corners, sleeve_end))
    return Piece(surface.v_pos, surface.tri, np.where(on_arm[:, None, None], arm, trunk), surface.weights, part)


def leg_piece(figure: Figure, surface: Surface, part: str, tile: str, z_low: float, z_high: float) -> Piece:
    """A stocking's or trousers' surface in the texture."""
    uv = place(tile, *leg_uv(figure, surface.base[surface.tri], z_low, z_high))
    return Piece(surface.v_pos, surface.tri, uv, surface.weights, part)
