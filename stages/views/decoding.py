"""Pictures decoded one by one, each whole, or in tiles where the memory does not hold one whole.

Tiles overlap and are blended (diffusers' ``enable_tiling``), so pictures change a little where they meet: only what is needed is tiled.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.errors import StageError
from pipeline.stage import StageContext
from stages.views.chunks import SPARE
from stages.views.estimate import Estimate
from stages.views.networks import Networks
from stages.views.shortage import SHORT, clear_up, is_shortage

TILED = "tiled.json"  # in the checkpoint, so that a resumed run decodes as it began


def decode_in_memory(
    networks: Networks, expected: Estimate, free: Callable[[], float | None], context: StageContext, decode_all: Callable[[], None]
) -> None:
    """Call ``decode_all``, with tiles if one picture takes more than is ``free``, or took more. Raises StageError if not even a tile fits."""
    room = None if context.checkpoint.has(TILED) else free()
    if context.checkpoint.has(TILED):
        networks.vae.enable_tiling()
    elif room is not None and expected.tile < expected.decode and expected.decoding(tiled=False) > SPARE * room:
        _tile(networks, context)
    try:
        return decode_all()
    except SHORT as error:
        if not is_shortage(error):
            raise
    clear_up()
    if context.checkpoint.has(TILED) or expected.tile >= expected.decode:
        raise StageError("the memory does not hold one picture's decoding; take smaller pictures (conditions.width, conditions.height), or device: cpu")
    _tile(networks, context)
    decode_in_memory(networks, expected, free, context, decode_all)


def _tile(networks: Networks, context: StageContext) -> None:
    networks.vae.enable_tiling()
    context.checkpoint.save(TILED, lambda path: path.write_text("true", encoding="utf-8") and None)
    context.warn("the memory does not hold a whole picture's decoding; pictures are decoded in tiles, which may show faintly where they meet")
