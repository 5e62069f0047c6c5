"""A motion in the axes and units of its file, and the way from there into our world.

Lengths need no unit to be retargeted (everything is scaled by the legs), but contacts are told by metres and metres a second; so the
unit is guessed from how tall the skeleton would be, and said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import ConfigError
from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Clip, Posture
from stages.rig.motion.roles import roles_of

# Heights that a recorded person may have, and the units that motions come in: name -> metres.
PERSON_M, TYPICAL_M = (1.2, 2.2), 1.68
# From the hip to the ankle, of the height of an adult.
LEG_SHARE = 0.49
# A change of a turn's matrix between two frames that is no movement: about 30 degrees.
JUMP = 0.5
REMEDY = "export the motion on a skeleton that rests in a T-pose or an A-pose"
UNITS = {"metres": 1.0, "centimetres": 0.01, "inches": 0.0254, "millimetres": 0.001, "CMU's units of 5.64 cm": 0.0254 / 0.45,
         "MikuMikuDance's units of 8 cm": 0.08, "decimetres": 0.1}


@dataclass(frozen=True)
class Recording:
    """What a reader found: joints parents first, their places at rest (J, 3), turns from rest in the file's axes (K, J, 3, 3).

    ``places`` (K, 3) is where joint ``carrier`` is, the one whose translation counts. ``what`` says which file and what in it.
    """

    what: str
    names: tuple[str, ...]
    parents: np.ndarray
    heads: np.ndarray
    tails: np.ndarray
    turns: np.ndarray
    places: np.ndarray
    carrier: int
    fps: float


@dataclass(frozen=True)
class Settled:
    """A recording in our world: z up, starting over the origin and facing -Y, in metres; how its unit was taken, and which pose as its rest."""

    clip: Clip
    unit: str
    height_m: float
    rest_at_s: float | None = None

    def said(self, what: str) -> str:
        """One sentence on what was read."""
        clip = self.clip
        rest = "" if self.rest_at_s is None else f"; its rest pose is no standing figure, so the most upright pose, at {self.rest_at_s:.2f} s, counts as one"
        return (f"{what}: {len(clip.skeleton.names)} joints, {clip.frames} frames at {clip.fps:g} a second ({clip.duration_s:.2f} s); "
                f"lengths taken as {self.unit}, which makes the person {self.height_m:.2f} m tall, judged by the legs{rest}")


def settle(recording: Recording) -> Settled:
    """Raises ConfigError if the joints are no humanoid's or it never stands upright."""
    roles = roles_of(recording.names, recording.parents, recording.what)
    posture = _body(_without_marker(recording), roles)
    axes, rest_at_s = _axes(posture.skeleton), None
    if axes is None:
        frame = _most_upright(posture, recording.what)
        posture, rest_at_s = _rested_at(posture, frame), frame / recording.fps
        axes = _axes(posture.skeleton, exact=True)
    if axes is None:
        raise ConfigError(f"{recording.what}: neither its rest pose nor any frame is a figure that stands upright; {REMEDY}")
    rest, tall = posture.skeleton, _height(posture.skeleton)
    unit, metres = _unit(tall)
    skeleton = Skeleton(rest.names, rest.parents, rest.heads @ axes.T * metres, rest.tails @ axes.T * metres)
    hips = posture.heads[:, 0] @ axes.T * metres
    settled = _facing(Posture.of_turns(skeleton, axes @ posture.turns @ axes.T, hips - skeleton.heads[0]))
    return Settled(settled.clip("motion", recording.fps), unit, tall * metres, rest_at_s)


def _body(recording: Recording, roles: dict[int, str]) -> Posture:
    """The hips and all beneath them, by their roles, in the file's axes and units."""
    below = _from_hips(recording, roles)
    names = tuple(roles.get(i) or _free(recording.names[i], i) for i in below)
    place = {bone: j for j, bone in enumerate(below)}
    parents = np.array([-1] + [place[int(recording.parents[i])] for i in below[1:]])
    skeleton = Skeleton(names, parents, recording.heads[below], recording.tails[below])
    return Posture.of_turns(skeleton, recording.turns[:, below], _hips_places(recording, below[0]) - skeleton.heads[0])


def _from_hips(recording: Recording, roles: dict[int, str]) -> list[int]:
    """The hips and every joint beneath them, parents first."""
    hips = next(i for i, role in roles.items() if role == "hips")
    below = {hips}
    for i in range(len(recording.names)):
        if int(recording.parents[i]) in below:
            below.add(i)
    return sorted(below)


def _free(name: str, index: int) -> str:
    """A name for a joint without a role that no joint with one has."""
    return f"{name}#{index}" if name else f"joint#{index}"


def _without_marker(recording: Recording) -> Recording:
    """Without a first frame from which the motion jumps away: many files carry a T-pose there, for programs that bind to it."""
    if len(recording.turns) < 3:
        return recording
    first, second = (float(np.abs(recording.turns[k + 1] - recording.turns[k]).max()) for k in range(2))
    if first < JUMP or first < 10 * second:
        return recording
    return replace(recording, turns=recording.turns[1:], places=recording.places[1:])


def _axes(rest: Skeleton, exact: bool = False) -> np.ndarray | None:
    """(3, 3) turn from the file's axes to ours; None if at rest nobody stands along them.

    Up is the axis along which it goes from the feet to the head, left the one from the right leg to the left; ``exact`` takes that as it is.
    """
    at = lambda name: rest.heads[rest.index(name)]  # noqa: E731
    up = _nearest_axis(at("head") - (at("leftFoot") + at("rightFoot")) / 2)
    if up is None or (at("head") - at("hips")) @ up <= 0 or any(at(f"{s}Foot") @ up >= at(f"{s}UpperLeg") @ up for s in ("left", "right")):
        return None
    left = at("leftUpperLeg") - at("rightUpperLeg")
    level = left - up * (left @ up)
    side = level / max(np.linalg.norm(level), 1e-12) if exact else _nearest_axis(left)
    if side is None or abs(side @ up) > 1e-6 or abs(left @ up) > 0.4 * np.linalg.norm(left):
        return None
    return np.stack([side, np.cross(up, side), up])


def _nearest_axis(direction: np.ndarray) -> np.ndarray | None:
    """The signed axis that a direction all but follows, if one."""
    k = np.abs(direction).argmax()
    if not abs(direction[k]) > 0.8 * np.linalg.norm(direction):
        return None
    return np.sign(direction[k]) * np.eye(3)[k]


def _most_upright(posture: Posture, what: str) -> int:
    """The frame in which legs and trunk reach furthest along the axis that is up on the whole."""
    feet = (posture.at("leftFoot") + posture.at("rightFoot")) / 2
    up = _nearest_axis((posture.at("head") - feet).mean(0))
    if up is None:
        raise ConfigError(f"{what}: its rest pose is no standing figure, and on the whole the head is not over the feet; {REMEDY}")
    leg = LEG_SHARE * _height(posture.skeleton)
    legs = sum((posture.at(f"{s}UpperLeg") - posture.at(f"{s}Foot")) @ up / (2 * leg) for s in ("left", "right"))
    trunk = posture.at("head") - posture.at("hips")
    return int(np.argmax(legs + trunk @ up / np.linalg.norm(trunk, axis=-1)))


def _rested_at(posture: Posture, frame: int) -> Posture:
    """The same motion of a skeleton that rests as this one stands in a frame."""
    skeleton = posture.skeleton
    tails = np.stack([posture.tail(name)[frame] for name in skeleton.names])
    rest = Skeleton(skeleton.names, skeleton.parents, posture.heads[frame], tails)
    return Posture(rest, posture.turns @ np.swapaxes(posture.turns[frame], -1, -2), posture.heads)


def _height(rest: Skeleton) -> float:
    """How tall the person is, in the file's units, judged by the left leg: heads and necks are recorded in too many ways."""
    along = lambda a, b: float(np.linalg.norm(rest.heads[rest.index(a)] - rest.heads[rest.index(b)]))  # noqa: E731
    return (along("leftUpperLeg", "leftLowerLeg") + along("leftLowerLeg", "leftFoot")) / LEG_SHARE


def _unit(tall: float) -> tuple[str, float]:
    """What the unit is called, and its metres, for a person who is ``tall`` units high."""
    fitting = {name: metres for name, metres in UNITS.items() if PERSON_M[0] <= tall * metres <= PERSON_M[1]}
    if not fitting:
        return f"units of which {tall:g} are {TYPICAL_M} m", TYPICAL_M / tall
    name = min(fitting, key=lambda n: abs(np.log(tall * fitting[n] / TYPICAL_M)))
    return name, fitting[name]


def _hips_places(recording: Recording, hips: int) -> np.ndarray:
    """(K, 3) of the hips: the carrier's places carried on along the joints between them."""
    chain = []
    while hips != recording.carrier and hips >= 0:
        chain.append(hips)
        hips = int(recording.parents[hips])
    places = recording.places
    for joint in reversed(chain):
        parent = int(recording.parents[joint])
        places = places + recording.turns[:, parent] @ (recording.heads[joint] - recording.heads[parent])
    return places


def _facing(posture: Posture) -> Posture:
    """Turned about z and moved so that the first frame stands over the origin and faces -Y."""
    across = posture.at("leftUpperLeg")[0] - posture.at("rightUpperLeg")[0]
    angle = -np.arctan2(across[1], across[0])
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
    hips = posture.heads[:, 0] @ turn.T
    hips = hips - [*hips[0, :2], 0.0]
    return Posture.of_turns(posture.skeleton, turn @ posture.turns, hips - posture.skeleton.heads[0])


def trimmed(clip: Clip, start_s: float, end_s: float | None, what: str) -> Clip:
    """The keys from ``start_s`` to ``end_s``. Raises ConfigError if fewer than two are left."""
    first = round(start_s * clip.fps)
    last = clip.frames if end_s is None else round(end_s * clip.fps) + 1
    part = slice(first, last)
    if len(clip.rotations_wxyz[part]) < 2:
        raise ConfigError(f"{what}: there is nothing from {start_s:g} s to {'the end' if end_s is None else f'{end_s:g} s'}; it lasts {clip.duration_s:.2f} s")
    cut = replace(clip, rotations_wxyz=clip.rotations_wxyz[part], root_offset_m=clip.root_offset_m[part])
    return _facing(cut.posture()).clip(clip.name, clip.fps)
