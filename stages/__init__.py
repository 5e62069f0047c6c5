"""The recipes: which stages, in which order, and what has to fit together between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, MissingError
from pipeline.graph import Mistake, Outlook, Preview, Recipe

DRAWN_ALWAYS = "mask"
NEED_A_RIG = ("vrm",)
PRESETS = Path(__file__).resolve().parents[1] / "configs" / "presets"
FRONT_ALONE = {"conditions.body_ring.views": "1", "conditions.head_ring.views": "0", "views.references": "[]", "views.keep": "null",
               "views.redo": "[]"}


def character() -> Recipe:
    """From a prompt to a rigged, textured character."""
    from stages.conditions import STAGE as CONDITIONS
    from stages.export import STAGE as EXPORT
    from stages.field import STAGE as FIELD
    from stages.masks import STAGE as MASKS
    from stages.mesh import STAGE as MESH
    from stages.rig import STAGE as RIG
    from stages.views import STAGE as VIEWS

    return Recipe("character", (CONDITIONS, VIEWS, MASKS, FIELD, MESH, RIG, EXPORT),
                  apart=frozenset({"masks.prompt"}),
                  models=frozenset({"views.model", "views.vae", "views.controlnets.model", "views.ip_adapter.image_encoder", "masks.grounding_dino", "masks.sam"}), known_models=_known_models,
                  skipped=_unneeded, mistakes=_mistakes, notices=_notices,
                  presets={"export.preset": PRESETS}, preview=Preview("views", FRONT_ALONE, _sheet), forecast=_forecast)


def _notices(settings: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """A prompt that speaks of another figure than the body that is drawn."""
    from stages.conditions.figure import disagreement

    conditions, views = settings["conditions"], settings["views"]
    if views.source == "images" or conditions.body is not None:
        return {}
    said = disagreement(views.prompt, conditions.figure)
    return {"conditions": (said,)} if said else {}


def _forecast(settings: Mapping[str, Any], outlook: Outlook) -> Mapping[str, str]:
    """What the painting will take, if there is any."""
    conditions, views = settings["conditions"], settings["views"]
    if views.source == "images":
        return {}
    from stages.views.estimate import Painting
    from stages.views.forecast import forecast

    painting = Painting(conditions.body_ring.views + conditions.head_ring.views, conditions.width, conditions.height)
    return {"views": forecast(views, painting, outlook.device, outlook.threads, outlook.measured.get("views", {}))}


def _sheet(rows: Sequence[tuple[str, Path]], path: Path) -> None:
    from stages.artifacts.sweep_sheet import write_sheet

    write_sheet(rows, path)


def _known_models() -> Iterable[str]:
    from third_party.models import known_names

    return known_names()


def _unneeded(settings: Mapping[str, Any]) -> Mapping[str, str]:
    if settings["views"].source == "images":
        return {"conditions": "the views are your own pictures",
                "rig": "without conditions there is no posed body to take the skeleton from; the export is static"}
    return {}


def _mistakes(settings: Mapping[str, Any]) -> Iterator[Mistake]:
    if settings["views"].source == "diffusion":
        yield from _undrawn_kinds(settings)
    yield from _unrigged_formats(settings)
    for stage, setting, check in _user_files(settings):
        try:
            check()
        except (ConfigError, MissingError) as error:
            yield Mistake(stage, (setting,), str(error), missing=isinstance(error, MissingError))


def _undrawn_kinds(settings: Mapping[str, Any]) -> Iterator[Mistake]:
    """What ControlNets read and the conditions stage was not told to draw."""
    drawn = settings["conditions"].kinds
    for index, control in enumerate(settings["views"].controlnets):
        if control.kind not in (*drawn, DRAWN_ALWAYS):
            yield Mistake("views", (("conditions", "kinds"), ("views", "controlnets", index, "kind")),
                          f"views.controlnets[{index}] ({control.model}) reads {control.kind!r} pictures, and conditions.kinds draws only "
                          f"{', '.join(drawn)}; add {control.kind} there, or take it out of views.controlnets")


def _unrigged_formats(settings: Mapping[str, Any]) -> Iterator[Mistake]:
    """Formats that are nothing without a skeleton, where there will be none."""
    if "rig" not in _unneeded(settings):
        return
    for index, name in enumerate(settings["export"].formats):
        if name in NEED_A_RIG:
            yield Mistake("export", (("export", "formats", index), ("export", "formats")),
                          f"{name} needs a rig, and there is none: {_unneeded(settings)['rig']}; take {name} out of export.formats")


def _user_files(settings: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str | int, ...], Callable[[], object]]]:
    """(stage that would fail, setting, what raises ConfigError or MissingError) of the user's files that are quick to judge."""
    conditions, views = settings["conditions"], settings["views"]
    if conditions.pose_file is not None:
        from stages.conditions.body import load_pose

        yield "conditions", ("conditions", "pose_file"), lambda: load_pose(conditions.pose_file)
    if conditions.body is not None:
        from stages.conditions.importing import importers

        yield "conditions", ("conditions", "body"), lambda: importers(conditions.body)
    if isinstance(settings["rig"].motion, Path):
        from stages.rig.motion.clips import recorded

        yield "rig", ("rig", "motion"), lambda: recorded(settings["rig"])
    if views.reference is not None:
        from stages.views.reference import open_reference

        yield "views", ("views", "reference"), lambda: open_reference(views.reference)
    if views.references or views.keep is not None:
        yield from _given_views(conditions, views)
    if views.loras or views.embeddings:
        from stages.views.inversions import check_embedding
        from stages.views.lora import check_lora

        for name, check in (("loras", check_lora), ("embeddings", check_embedding)):
            for index, item in enumerate(getattr(views, name)):
                yield "views", ("views", name, index, "file"), lambda check=check, file=item.file: check(file)
    if views.vae is not None and views.source == "diffusion":
        yield "views", ("views", "vae"), lambda: _check_vae(views)
    if views.ip_adapter is not None and views.source == "diffusion":
        yield from _adapter_files(views)
    if views.folder is not None:
        from stages.masks.alpha import require_channel
        from stages.views.own import open_own

        yield "views", ("views", "folder"), lambda: open_own(views.folder)
        yield "masks", ("views", "folder"), lambda: require_channel(open_own(views.folder), settings["masks"])


def _given_views(conditions: Any, views: Any) -> Iterator[tuple[str, tuple[str | int, ...], Callable[[], object]]]:
    """The same for references from several sides, and for views that are kept while others are painted again."""
    from stages.artifacts.cameras import ring_places
    from stages.views.given import check_kept, check_name, places_of
    from stages.views.reference import open_reference

    rings = {"body": ring_places("body", conditions.body_ring.views), "head": ring_places("head", conditions.head_ring.views)}
    yield "views", ("views", "references"), lambda: places_of(views, rings)
    for index, reference in enumerate(views.references):
        yield "views", ("views", "references", index, "file"), lambda file=reference.file: open_reference(file)
    if views.keep is not None:
        yield "views", ("views", "keep"), lambda: check_kept(views.keep)
    for index, name in enumerate(views.redo):
        yield "views", ("views", "redo", index), lambda name=name: check_name(name, rings)


def _adapter_files(views: Any) -> Iterator[tuple[str, tuple[str | int, ...], Callable[[], object]]]:
    """The same for an IP-Adapter; what is not on this machine is told of by the stage."""
    from stages.views.adapter_file import adapter_path, check_encoder, check_model, read_adapter
    from stages.views.reference import open_reference
    from third_party.models import find

    for picture in views.ip_adapter.pictures:
        yield "views", ("views", "ip_adapter", "image"), lambda picture=picture: open_reference(picture)
    path, adapter = adapter_path(views.ip_adapter.file), None
    if path is not None:
        yield "views", ("views", "ip_adapter", "file"), lambda: read_adapter(path)
        with suppress(ConfigError):  # it was just told
            adapter = read_adapter(path)
    for name, setting, check in ((views.ip_adapter.image_encoder, "image_encoder", check_encoder), (views.model, "file", check_model)):
        if adapter is not None and (folder := find(name)) is not None:
            yield "views", ("views", "ip_adapter", setting), lambda check=check, folder=folder: check(adapter, folder)


def _check_vae(views: Any) -> None:
    """What is not on this machine is told of by the stage."""
    from stages.views.vae import check_vae
    from third_party.models import find

    own, model = find(views.vae), find(views.model)
    if own is not None and model is not None:
        check_vae(own, model)


RECIPES: Mapping[str, Callable[[], Recipe]] = {"character": character}
