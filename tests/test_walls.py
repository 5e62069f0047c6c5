"""Who may import whom (ARCHITECTURE.md), read from the source of every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ADD_ON = ROOT / "blender_addon"  # Blender gives its package a name of its own, so that its modules find one another by place
PLAIN = {"places", "orders", "document", "events", "job"}
SHARED = {"artifacts", "rendering"}
ENGINE_LIBRARIES = {"pydantic", "ruamel", "rich", "filelock"}
BLENDERS_OWN = {"bpy", "bmesh", "mathutils", "numpy"}
ADAPTED = {"bpy": "third_party/blender", "bmesh": "third_party/blender", "nvdiffrast": "third_party/nvdiffrast", "nerfstudio": "third_party/nerfstudio", "pymeshlab": "third_party"}
OURS = {"pipeline", "stages", "third_party", "scripts", "tests"}


def modules(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts)


def imports(path: Path) -> Iterator[str]:
    """Dotted names that a module imports anywhere, but for those only seen by a type checker."""
    for node in runtime(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or ADD_ON in path.parents, f"{path}: relative imports hide who imports whom"
            yield "." * node.level + (node.module or "")
            if node.module in ("stages", "third_party", "pipeline", "scripts"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def runtime(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from runtime(node)


def top(name: str) -> str:
    return name.split(".")[0]


@pytest.mark.parametrize("path", modules("pipeline"), ids=lambda p: p.name)
def test_the_engine_knows_no_stage_and_no_numerics(path: Path) -> None:
    allowed = set(sys.stdlib_module_names) | ENGINE_LIBRARIES | {"pipeline"} | ({"stages", "third_party"} if path.name == "__main__.py" else set())
    assert {top(n) for n in imports(path)} <= allowed


@pytest.mark.parametrize("path", modules("stages"), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_stage_imports_another_or_the_generator(path: Path) -> None:
    here = path.relative_to(ROOT / "stages").parts[0]
    if here == "__init__.py":
        return  # the recipes
    may = {"artifacts": {"artifacts"}, "rendering": SHARED}.get(here, {here} | SHARED)
    for name in imports(path):
        if top(name) == "stages" and "." in name:
            assert name.split(".")[1] in may, f"{here} imports {name}"
        assert top(name) not in ("scripts", "tests"), f"{here} imports {name}"
        assert not name.startswith("pipeline.") or name in _of_the_engine(path), f"{here} imports {name} of the engine"


def _of_the_engine(path: Path) -> set[str]:
    """What a stage may know of the engine; its rehearsal for ``setup`` makes a context of its own, and may know what that takes."""
    contract = {"pipeline.stage", "pipeline.errors"}
    return contract | {"pipeline.checkpoint", "pipeline.progress"} if path.name == "warm.py" else contract


@pytest.mark.parametrize("path", modules("third_party"), ids=lambda p: str(p.relative_to(ROOT)))
def test_doors_lead_out_only(path: Path) -> None:
    assert not {top(n) for n in imports(path)} & {"stages", "scripts", "tests"}


@pytest.mark.parametrize("path", [p for f in ("pipeline", "stages", "third_party") for p in modules(f)], ids=lambda p: str(p.relative_to(ROOT)))
def test_only_an_adapter_imports_what_it_adapts(path: Path) -> None:
    for name in imports(path):
        home = ADAPTED.get(top(name))
        assert home is None or path.relative_to(ROOT).as_posix().startswith(home), f"{name} is for {home}"


@pytest.mark.parametrize("path", [p for p in modules("third_party/blender") if "bpy" in map(top, imports(p))], ids=lambda p: p.name)
def test_what_runs_inside_blender_needs_nothing_else(path: Path) -> None:
    siblings = {p.stem for p in path.parent.glob("*.py")}
    assert {top(n) for n in imports(path)} <= set(sys.stdlib_module_names) | BLENDERS_OWN | siblings


@pytest.mark.parametrize("path", modules("blender_addon"), ids=lambda p: p.name)
def test_the_add_on_imports_nothing_of_ours(path: Path) -> None:
    foreign = {top(n) for n in imports(path) if not n.startswith(".")}
    assert foreign <= set(sys.stdlib_module_names) | (set() if path.stem in PLAIN | {"__init__"} else {"bpy", "mathutils"})
    if path.stem in PLAIN:
        assert {n.lstrip(".") for n in imports(path) if n.startswith(".")} <= PLAIN


@pytest.mark.parametrize("path", [p for f in ("pipeline", "stages", "third_party", "scripts") for p in modules(f)], ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_of_ours_imports_the_add_on(path: Path) -> None:
    assert "blender_addon" not in map(top, imports(path))


def test_deciding_what_runs_loads_no_network_library() -> None:
    code = "import sys, stages; stages.character(); print([m for m in ('torch', 'numba', 'diffusers', 'transformers', 'scipy', 'bpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr[-600:]


@pytest.mark.parametrize("path", [p for f in ("pipeline", "stages", "third_party", "scripts", "blender_addon") for p in modules(f)], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_pickle_no_shell_no_broad_except(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            caught = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {"everything"}
            passes_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            assert passes_on or not caught & {"everything", "Exception", "BaseException"}, f"line {node.lineno}"
        if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
            assert isinstance(node.value, ast.Constant) and node.value.value is False, f"line {node.value.lineno}"
    assert not {top(n) for n in imports(path)} & {"pickle", "dill", "joblib", "shelve", "marshal"}
