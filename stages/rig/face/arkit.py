"""ARKit's blend shapes of a face, as a table beside VRM's expressions. Lids have theirs in ``closings``.

Names and meanings: Apple's documentation of ARFaceAnchor.BlendShapeLocation. Left is the character's left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from stages.rig.face.shapes import EYES, MOUTHS, EyeShape, MouthShape, Shapes, SkinShape

_OPEN = 0.9
_Shape = TypeVar("_Shape")


def _both(shapes: Mapping[str, _Shape], one_sided: Callable[[_Shape, str], _Shape]) -> dict[str, _Shape]:
    """Each shape for the left and for the right, with Left and Right after its name."""
    return {name + side.capitalize(): one_sided(shape, side) for name, shape in shapes.items() for side in ("left", "right")}


def _mouth_on(shape: MouthShape, side: str) -> MouthShape:
    return replace(shape, side=1 if side == "left" else -1)


def _eye_on(shape: EyeShape, side: str) -> EyeShape:
    """``gaze`` is meant for the left eye, whose outward is the character's left."""
    aside, up = shape.gaze
    return replace(shape, side=side, gaze=(aside if side == "left" else -aside, up))


def _skin_on(shapes: tuple[SkinShape, ...], side: str) -> tuple[SkinShape, ...]:
    sign = 1 if side == "left" else -1
    return tuple(replace(s, at=(sign * s.at[0], s.at[1]), shift_mm=(sign * s.shift_mm[0], *s.shift_mm[1:])) for s in shapes)


_PUFF = (SkinShape((0.85, 0.22), 0.024, (1.5, 4.0, 0.0)),)

_MOUTHS = {
    "jawOpen": MouthShape(-0.05, lower=_OPEN, teeth=0.16, round=0.55),
    "mouthClose": MouthShape(0.05, lower=-_OPEN, teeth=-0.16, round=0.55, reach=0.45),  # lips of an open jaw shut again
    "jawForward": MouthShape(forward=(0.0, 0.30)),
    "jawLeft": MouthShape(aside=(0.05, 0.34)),
    "jawRight": MouthShape(aside=(-0.05, -0.34)),
    "tongueOut": MouthShape(0.0, upper=0.06, lower=0.42, round=0.7),
    "mouthFunnel": MouthShape(-0.40, upper=0.24, lower=0.36, round=0.8, forward=(0.22, 0.22)),
    "mouthPucker": MouthShape(-0.52, upper=0.04, lower=0.06, round=0.8, forward=(0.30, 0.30)),
    "mouthLeft": MouthShape(aside=(0.38, 0.38)),
    "mouthRight": MouthShape(aside=(-0.38, -0.38)),
    "mouthRollLower": MouthShape(lower=-0.06, forward=(0.0, -0.16), reach=0.4),
    "mouthRollUpper": MouthShape(upper=-0.06, forward=(-0.16, 0.0), reach=0.4),
    "mouthShrugLower": MouthShape(upper=0.16, lower=-0.16, forward=(0.0, 0.14)),
    "mouthShrugUpper": MouthShape(upper=0.14, lower=-0.14, forward=(0.14, 0.0), reach=0.7),
} | _both({
    "mouthSmile": MouthShape(0.22, 0.42),
    "mouthFrown": MouthShape(0.04, -0.40),
    "mouthDimple": MouthShape(0.22, 0.06, forward=(-0.12, -0.12), reach=0.8),
    "mouthStretch": MouthShape(0.36, -0.12),
    "mouthPress": MouthShape(0.04, 0.05, upper=-0.05, lower=-0.05, forward=(-0.08, -0.08), reach=0.5),
    "mouthLowerDown": MouthShape(lower=0.42),
    "mouthUpperUp": MouthShape(upper=0.34, teeth=0.22),
}, _mouth_on)

_EYES = {"browInnerUp": EyeShape(5.0, 0.0)} | _both({
    "browDown": EyeShape(-4.5, -2.0),
    "browOuterUp": EyeShape(0.0, 5.0),
    "eyeWide": EyeShape(taller=0.10, wider=0.04),
    "eyeLookUp": EyeShape(gaze=(0, 1)),
    "eyeLookDown": EyeShape(gaze=(0, -1)),
    "eyeLookIn": EyeShape(gaze=(-1, 0)),
    "eyeLookOut": EyeShape(gaze=(1, 0)),
}, _eye_on)

_SKIN = {"cheekPuff": (*_PUFF, *_skin_on(_PUFF, "right"))} | _both({
    "cheekSquint": (SkinShape((1.0, 0.55), 0.020, (0.0, 0.8, 3.0)),),
    "noseSneer": (SkinShape((0.26, 0.42), 0.016, (0.0, 0.5, 2.5)),),
}, _skin_on)

ARKIT = Shapes({**MOUTHS, **_MOUTHS}, {**EYES, **_EYES}, _SKIN)
