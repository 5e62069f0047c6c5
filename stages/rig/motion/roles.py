"""Which joint of a recorded skeleton stands for which humanoid joint, by its name and its place in the chain.

Beyond what rigs are called (``stages.artifacts.bone_roles``: CMU, Mixamo, Rokoko, Bandai Namco and others), recordings name limbs by the joint
that a bone turns in (hip, knee, ankle; collar, shoulder, elbow, wrist), so that "shoulder" may be the clavicle or the upper arm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import ConfigError
from stages.artifacts.bone_roles import joint_names, named_joint

_SHORT = {"lshldr": "leftUpperArm", "rshldr": "rightUpperArm"}


def roles_of(names: Sequence[str], parents: np.ndarray, what: str) -> dict[int, str]:
    """Joint index -> VRM joint name. Raises ConfigError that names the joints that nothing stands for."""
    said = {}
    for i, name in enumerate(names):
        bare = name.split(":")[-1].strip().lower().replace("_", "")
        if bare in _SHORT:
            said[name] = _SHORT[bare]
        role = _by_the_joint_below(i, names, parents)
        if role is not None:
            said[name] = role
    try:
        return joint_names(names, [int(p) for p in parents], said)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from error


def _by_the_joint_below(i: int, names: Sequence[str], parents: np.ndarray) -> str | None:
    """The joint above an elbow or a knee is the upper arm or leg, and above that a shoulder, whatever they are called."""
    children = np.flatnonzero(np.asarray(parents) == i)
    below = {named_joint(names[c]) for c in children}
    further = {named_joint(names[g]) for c in children for g in np.flatnonzero(np.asarray(parents) == c)}
    for side in ("left", "right"):
        if f"{side}LowerArm" in below:
            return f"{side}UpperArm"
        if f"{side}LowerLeg" in below:
            return f"{side}UpperLeg"
        if f"{side}LowerArm" in further and named_joint(names[i]) == f"{side}Shoulder":
            return f"{side}Shoulder"
    return None
