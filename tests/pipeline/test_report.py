"""The report holds everything in itself, and curves are drawn as they are."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.curves import read_figures, read_series, svg
from pipeline.report import Account, page
from pipeline.store import Manifest
from tests.pipeline.fake_program import PIXEL


class Balance(HTMLParser):
    """Fails on tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        return None

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def account(folder: Path, **more: object) -> Account:
    (folder / "preview").mkdir()
    (folder / "turntable.mp4").write_bytes(b"video")
    (folder / "preview" / "contact_sheet.png").write_bytes(PIXEL)
    (folder / "preview" / "psnr.json").write_text('{"title": "PSNR <dB>", "step": [0, 10, 20], "psnr": [10, 20, 25.5], "final": {"psnr": 25.51234}}')
    (folder / "preview" / "bad.json").write_text("{")
    manifest = Manifest("views", "ab" * 32, {}, "", {}, {}, "2030-01-02T03:04:05+00:00", 61.2, 3 * 2**29, 2,
                        [{"capability": "r", "name": "cpu", "version": "1", "refused": {"gpu": "there is <none>"}}],
                        [{"name": "sd15", "revision": "1234567890abcdef", "licence": "CreativeML OpenRAIL-M"}], ["the word 'gothic' was never learnt"])
    return Account("mika", "character", {"prompt": "a <b>girl</b>"}, {"views": manifest}, {"views": folder}, ("views",), {"rig": "no body"}, **more)


def test_page(tmp_path: Path) -> None:
    text = page(account(tmp_path, failure="field: it broke"))
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    for part in ("a &lt;b&gt;girl&lt;/b&gt;", "1 min 01 s, resumed 1 times", "1.50 GiB", "there is &lt;none&gt;", "CreativeML OpenRAIL-M",
                 "1234567890ab", "gothic", "left out: no body", "PSNR &lt;dB&gt;", "25.512", "bad.json is not legal JSON", "field: it broke",
                 "data:video/mp4;base64,dmlkZW8=", "data:image/png;base64,"):
        assert part in text, part
    assert not re.search(r'(src|href)="(?!data:)|url\(|<script|<link', text)


def test_the_peak_stands_beside_what_was_expected(tmp_path: Path) -> None:
    its = account(tmp_path)
    figures = {"expected_peak_bytes": 5 * 2**29, "gpu_peak_bytes": 2**31, "seconds": 3.0}
    text = page(replace(its, manifests={"views": replace(its.manifests["views"], figures=figures)}))
    assert '<td>1.50 GiB, GPU 2.00 GiB <span class="small">(expected 2.50)</span></td>' in text


@pytest.mark.parametrize(("data", "x", "names"), [
    ({"x": [1, 2], "series": {"a": [3, 4]}}, [1, 2], ["a"]),
    ({"step": [1, 2], "loss": [3, 4], "name": "x"}, [1, 2], ["loss"]),
    ([{"step": 1, "loss": 3}, {"step": 2, "loss": 4}], [1, 2], ["loss"]),
    ({"loss": [3.0, 4.0], "words": ["a", "b"]}, None, ["loss"]),
    ({"psnr": 3.0}, None, []),
    ("text", None, []),
])
def test_what_counts_as_a_curve(data: object, x: object, names: list[str]) -> None:
    found_x, series = read_series(data)
    assert (found_x, list(series)) == (x, names)


def test_a_curve_spans_its_frame() -> None:
    drawn = svg("t", None, {"a": [1.0, 3.0, 2.0, float("nan")]})
    points = [tuple(map(float, p.split(","))) for p in re.search(r'points="([^"]+)"', drawn).group(1).split()]
    assert len(points) == 3, "what is not finite is left out"
    assert points[0][0] == 54 and points[0][1] == 174 and points[1][1] == 12
    assert "log scale" in svg("t", None, {"a": [1000.0, 1.0]}) and svg("t", None, {}) == ""


def test_figures_are_flat() -> None:
    assert read_figures({"psnr": 25.123456, "n": 3, "in": {"mask": 1.0}, "title": "x", "list": [1]}) == {"psnr": "25.123", "n": "3", "in.mask": "1"}


def test_a_stages_own_page_stands_in_a_frame_that_reaches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = account(tmp_path)
    own = '<!doctype html><title>a "page" & more</title><script>let a = 1 < 2;</script>'
    (tmp_path / "preview" / "character.html").write_text(own)
    text = page(given)

    class Frames(HTMLParser):
        found: list[dict[str, str | None]] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag != "script"
            if tag == "iframe":
                self.found.append(dict(attrs))

    parser = Frames()
    parser.feed(text)
    (frame,) = parser.found
    assert frame["srcdoc"] == own and frame["sandbox"] == "allow-scripts" and frame["title"] == "character" and "src" not in frame
    monkeypatch.setattr("pipeline.report.LARGEST_BYTES", 10)
    assert "character.html is too large to stand in this page" in page(given) and "<iframe" not in page(given)
