"""The exported figure as the pictures need it: positions at rest or in a pose, drawn with its texture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from stages.artifacts.attachments import Attachment
from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.chains import Collider
from stages.artifacts.mesh import TexturedMesh
from stages.artifacts.morphs import Morph
from stages.artifacts.motion import Clip
from stages.artifacts.normals import vertex_normals
from stages.artifacts.parts import Parts
from stages.artifacts.rig import Skinning
from stages.artifacts.showcase_poses import showcase_pose
from stages.rendering.joined import Joined
from stages.rendering.picture import STUDIO, Look, draw
from stages.rendering.viewpoint import viewing_distance


@dataclass(frozen=True)
class Figure:
    """A textured surface, bound to a skeleton or not, and how it moves.

    ``colliders`` are what its chains of hair and cloth shall not swing into; ``attachments`` further surfaces on its skeleton, in place of its
    ``hidden`` triangles (F,); ``morphs`` displacements of its own vertices; ``parts`` what its triangles are, if files are to hold them apart;
    ``even``: light shall fall on it as if it had no bumps. Positions and normals are those of all surfaces, its own first.
    """

    mesh: TexturedMesh
    skinning: Skinning | None = None
    clips: tuple[Clip, ...] = ()
    colliders: tuple[Collider, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    morphs: Mapping[str, Morph] = field(default_factory=dict)
    hidden: np.ndarray | None = None
    parts: Parts | None = None
    even: bool = False

    def without(self, name: str) -> Figure:
        """The figure less the further surface of that name."""
        return replace(self, attachments=tuple(a for a in self.attachments if a.name != name))

    @cached_property
    def joined(self) -> Joined:
        """All surfaces as one."""
        return Joined(self.mesh, self.skinning, self.attachments, self.morphs, self.hidden)

    @cached_property
    def v_pos(self) -> np.ndarray:
        """(V, 3) float64 as exported: at rest if there is a rig, else as reconstructed."""
        return self.joined.v_pos

    @cached_property
    def v_nrm(self) -> np.ndarray:
        """(V, 3) unit normals that belong to ``v_pos``."""
        return self.joined.v_nrm

    @cached_property
    def t_pos_idx(self) -> np.ndarray:
        """(F, 3) of all that is seen."""
        return self.joined.t_pos_idx

    @cached_property
    def height_m(self) -> float:
        """From the lowest to the highest vertex."""
        return float(np.ptp(self.v_pos[:, 2]))

    def posed(self, pose: str) -> np.ndarray:
        """(V, 3) in a showcase pose. Raises ValueError without a rig."""
        if self.skinning is None:
            raise ValueError("a figure without a rig cannot be posed")
        skeleton = self.skinning.skeleton
        return self.joined.posed(skeleton.joint_transforms(showcase_pose(skeleton, pose)))

    def expressing(self, weights: Mapping[str, float]) -> np.ndarray:
        """(V, 3) at rest with morphs of these weights."""
        return self.v_pos + self.joined.offset(weights)

    def picture(self, camera: Camera, v_pos: np.ndarray | None = None, look: Look = "texture") -> np.ndarray:
        """(height, width, 3) uint8 before the studio's grey."""
        v = self.v_pos if v_pos is None else v_pos
        normals = self.v_nrm if v_pos is None else vertex_normals(v, self.t_pos_idx)
        return draw(replace(self.joined.surface, v_nrm=normals), v, camera, look, backdrop=STUDIO)

    def face_camera(self, azimuth_deg: float, side_px: int, nearer: float = 1.0) -> Camera:
        """A close-up of the head: round the skull where there is a skeleton, else round the top seventh of the figure; of the face alone if ``nearer``."""
        top = self.v_pos[:, 2].max()
        if self.skinning is not None and "head" in self.skinning.skeleton.names:
            head = self.skinning.skeleton.index("head")
            base = self.skinning.skeleton.heads[head]
            half = 0.75 * max(top - base[2], 0.05)
            middle = np.array([base[0], base[1], base[2] + (0.55 if nearer == 1 else 0.3) * (top - base[2])])
        else:
            half = 0.1 * self.height_m
            crown = self.v_pos[self.v_pos[:, 2] > top - 2 * half]
            middle = np.array([*((crown.min(0) + crown.max(0)) / 2)[:2], top - 0.9 * half])
        radius = viewing_distance(self.v_pos)
        focal = side_px / 2 * radius / half * nearer
        return orbit(f"face_{azimuth_deg:g}", middle, radius, azimuth_deg, 0.0, float(focal), side_px, side_px)
