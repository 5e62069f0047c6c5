"""Keys are pinned: a change of them throws away every cache there is, and must be meant."""

from __future__ import annotations

import enum
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import hashing

VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=6)


def test_pinned_digests() -> None:
    assert hashing.digest("folder", []) == "4dd629ad5e9bb3d46dcf1a8dcd45f71f8ef057b45c1f1ddef96e3fe23885be2e"
    assert hashing.content_digest({"a.png": "1", "preview/x": "2"}) == "5366a935af8da16f6aa7bee032693d23180435fc761c968efa0faf1503f19541"
    key, image = hashing.stage_key("views", 3, {"steps": 20, "scale": 0.5, "names": ("a", "ü")}, {"conditions": "00", "x": None},
                                   [("sd", "1")], [["r", "cpu", "2"]])
    assert key == "48b5b8ef4f1f6996af8940f4dbb90e480f4dcfa67e952e42aac8721bec712424"
    assert hashing.canonical_json(image) == (
        '{"backends":[["r","cpu","2"]],"inputs":{"conditions":"00","x":null},"models":[["sd","1"]],"schema":1,'
        '"settings":{"names":["a","\\u00fc"],"scale":0.5,"steps":20},"stage":"views","version":3}')


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_canonical_json_does_not_depend_on_order(value: object) -> None:
    def reversed_keys(node: object) -> object:
        if isinstance(node, dict):
            return {k: reversed_keys(node[k]) for k in reversed(list(node))}
        return [reversed_keys(v) for v in node] if isinstance(node, list) else node

    assert hashing.digest("t", value) == hashing.digest("t", reversed_keys(value))


def test_tags_part_equal_values() -> None:
    assert hashing.digest("a", 1) != hashing.digest("b", 1)
    assert hashing.digest("a", 1) != hashing.digest("a", 1.5) != hashing.digest("a", "1.5")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Path("a"), {1: 2}, {1, 2}, b"x"])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        hashing.canonical_json({"a": value})


def test_enums_are_their_values() -> None:
    class Colour(enum.Enum):
        RED = "red"

    assert hashing.canonical_json([Colour.RED]) == '["red"]'


def test_order_of_models_and_backends_does_not_matter() -> None:
    one = hashing.stage_key("s", 1, {}, {}, [("a", "1"), ("b", "2")], [["x", "y", "1"], ["z", "w", "1"]])[0]
    two = hashing.stage_key("s", 1, {}, {}, [("b", "2"), ("a", "1")], [["z", "w", "1"], ["x", "y", "1"]])[0]
    assert one == two


def test_content_leaves_previews_and_dated_formats_out() -> None:
    files = {"a.png": "1", "preview/x.png": "2", "b.FBX": "3", "c.blend": "4", "d.usdz": "5"}
    assert hashing.content_digest(files) == hashing.content_digest({"a.png": "1"}) != hashing.content_digest({"a.png": "2"})


def test_a_path_enters_by_what_it_points_at(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "f.txt").write_text("same")
    (tmp_path / "two" / ".hidden").write_text("x")
    assert hashing.digest_path(tmp_path / "one") == hashing.digest_path(tmp_path / "two")
    (tmp_path / "two" / "deep" / "f.txt").rename(tmp_path / "two" / "deep" / "g.txt")
    assert hashing.digest_path(tmp_path / "one") != hashing.digest_path(tmp_path / "two")
