"""The cache never hands out what is not whole."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from pipeline.lock import LockedError, hold
from pipeline.store import MANIFEST, Manifest, Store, content_of, digest_files, digest_problems

KEY = "ab" * 32


def fill(store: Store, text: str = "x", key: str = KEY) -> Path:
    out, scratch, _ = store.open_work("s", key)
    (out / "a.txt").write_text(text)
    (out / "preview").mkdir()
    (out / "preview" / "p.txt").write_text("p")
    files = digest_files(out)
    store.write_manifest(out, Manifest("s", key, {}, content_of(files), files, {}))
    return out


def test_commit_then_lookup(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.lookup("s", KEY) is None
    out = fill(store)
    assert store.lookup("s", KEY) is None and store.finished_work("s", KEY) == out
    folder = store.commit("s", KEY, out)
    manifest = store.lookup("s", KEY)
    assert manifest is not None and manifest.files["a.txt"][1] == 1 and digest_problems(folder, manifest) == []
    assert list(store.leftovers()) == [] and list(store.entries()) == [folder]


@pytest.mark.parametrize("harm", ["size", "gone", "manifest", "key"])
def test_a_damaged_entry_is_a_miss_and_goes_aside(tmp_path: Path, harm: str) -> None:
    store = Store(tmp_path)
    folder = store.commit("s", KEY, fill(store))
    if harm == "size":
        (folder / "a.txt").write_text("longer")
    elif harm == "gone":
        (folder / "a.txt").unlink()
    elif harm == "manifest":
        (folder / MANIFEST).write_text("{")
    else:
        (folder / MANIFEST).write_text((folder / MANIFEST).read_text().replace(KEY, "cd" * 32))
    assert store.lookup("s", KEY) is None
    store.commit("s", KEY, fill(store, "y"))
    assert store.lookup("s", KEY) is not None
    assert [p.name for p in store.leftovers()] == [f"{KEY}.aside-1"]


def test_a_change_of_the_same_size_is_found_by_digests(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.commit("s", KEY, fill(store))
    (folder / "a.txt").write_text("y")
    (folder / "new.txt").write_text("")
    assert digest_problems(folder, Manifest.read(folder)) == ["a.txt was changed", "new.txt was added"]


def test_out_is_empty_and_scratch_is_kept_when_a_stage_starts_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    out, scratch, attempt = store.open_work("s", KEY)
    (out / "half").write_text("")
    (scratch / "progress").write_text("7")
    old = out
    out, scratch, again = store.open_work("s", KEY)
    assert out != old and not old.exists() and list(out.iterdir()) == [] and (scratch / "progress").read_text() == "7" and (attempt, again) == (1, 2)


def test_finished_work_is_not_believed_without_its_digests(tmp_path: Path) -> None:
    store = Store(tmp_path)
    out = fill(store)
    (out / "a.txt").write_text("y")
    assert store.finished_work("s", KEY) is None


def _take(path: Path, ready: object, stop: object) -> None:
    with hold(path, "it"):
        ready.set()
        stop.wait(20)


def test_a_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    path, ready, stop = tmp_path / "l" / "x.lock", context.Event(), context.Event()
    other = context.Process(target=_take, args=(path, ready, stop))
    other.start()
    assert ready.wait(20)
    with pytest.raises(LockedError, match=f"views is being made by process {other.pid} on .*, since .*Wait for it"), hold(path, "views"):
        pass
    other.kill()
    other.join()
    with hold(path, "views"):
        pass
