"""The commands as a user types them, each in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline.conftest import ROOT, Program, command, environment
from tests.pipeline.fake_program import Pen


def executed(home: Path) -> list[str]:
    return json.loads((home / "outputs/mika/run.json").read_text())["executed"]


def payload(cache: Path) -> dict[str, bytes]:
    files = [p for p in cache.glob("*/??/*/**/*") if p.is_file() and ".work" not in str(p) and p.name != "manifest.json"]
    return {str(p.relative_to(cache)): p.read_bytes() for p in files}


def test_run_leaves_what_the_user_came_for(program: Program, home: Path) -> None:
    done = program("run", "a.yaml")
    assert (done.returncode, done.stdout) == (0, "")
    out = home / "outputs/mika"
    assert (out / "mika.txt").read_text() == "[0, 1, 2, 3, 4]"
    assert json.loads((out / "stages/count/numbers.json").read_text()) == [0, 1, 2, 3, 4]
    record = json.loads((out / "run.json").read_text())
    assert record["executed"] == ["count", "words", "glue"]
    assert record["stages"]["count"]["models"] == [{"name": "tiny", "revision": "abc", "licence": "Apache-2.0"}]
    assert record["stages"]["count"]["warnings"] == ["counted by hand"]
    assert record["stages"]["count"]["peak_memory_bytes"] > 2**20
    page = (out / "report.html").read_text()
    for part in ("hello", "counted by hand", "data:image/png;base64,", "<polyline", "Apache-2.0", "gold"):
        assert part in page
    assert not re.search(r'(src|href)="(?!data:)', page), "the report is self-contained"


def test_a_second_run_executes_nothing_and_writes_nothing(program: Program, home: Path) -> None:
    program("run", "a.yaml")
    before = {p: p.stat().st_mtime_ns for p in (home / "outputs").rglob("*") if p.is_file()}
    again = program("run", "a.yaml")
    assert "starts" not in again.stderr and again.stderr.count("kept") == 3
    assert {p: p.stat().st_mtime_ns for p in (home / "outputs").rglob("*") if p.is_file()} == before


def test_changes_run_what_they_must_and_explain_says_so(program: Program, home: Path) -> None:
    program("run", "a.yaml")
    said = program("explain", "a.yaml", "--glue.formats", "[txt, md]").stdout.splitlines()
    assert said == ["count       kept", "words       kept", "glue        would run: formats: ['txt'] -> ['txt', 'md']"]
    program("run", "a.yaml", "--glue.formats", "[txt, md]")
    assert executed(home) == ["glue"] and (home / "outputs/mika/mika.md").exists()
    said = program("explain", "a.yaml", "--prompt", "bye").stdout.splitlines()
    assert said[:2] == ["count       kept", "words       would run: prompt: 'hello' -> 'bye'"]
    assert said[2].startswith("glue        would run")
    dry = program("run", "a.yaml", "--prompt", "bye", "--dry-run")
    assert dry.stdout.splitlines() == said and executed(home) == ["glue"]


def test_a_new_character_is_not_compared_with_another(program: Program, home: Path) -> None:
    program("run", "a.yaml")
    (home / "b.yaml").write_text("name: yuki\nprompt: bye\n")
    said = program("explain", "b.yaml").stdout.splitlines()
    assert said == ["count       kept", "words       would run: nothing is kept of it", "glue        would run: nothing is kept of it"]
    program("run", "b.yaml")
    assert program("explain", "b.yaml", "--prompt", "hi").stdout.splitlines()[1] == "words       would run: prompt: 'bye' -> 'hi'"


def test_what_is_no_longer_made_goes_and_what_the_user_put_there_stays(program: Program, home: Path) -> None:
    program("run", "a.yaml", "--glue.formats", "[txt, md]")
    out = home / "outputs/mika"
    (out / "notes.md").write_text("my own")
    program("run", "a.yaml", "--until", "words")
    assert (out / "mika.md").exists(), "the last whole run is still what the user has"
    done = program("run", "a.yaml", "--prompt", "bye")
    assert f"{Path('outputs/mika/mika.md')} removed" in done.stderr
    assert not (out / "mika.md").exists() and (out / "mika.txt").exists() and (out / "notes.md").exists()


def test_a_record_that_is_current_tells_how_it_stands(program: Program, home: Path) -> None:
    def state() -> tuple[str, str]:
        record = json.loads((home / "outputs/mika/run.json").read_text())
        return record["state"], record["failure"]

    program("run", "a.yaml")
    assert state() == ("done", "")
    program("run", "a.yaml", "--count.fail", "own")
    assert state()[0] == "failed" and "it is wrong" in state()[1]
    program("run", "a.yaml")
    assert state() == ("done", ""), "nothing ran, and the record is mended"


def test_clean_keeps_what_a_running_or_interrupted_run_has_finished(program: Program, home: Path) -> None:
    command_line = ("run", "a.yaml", "--count.seed", "3")
    program("run", "a.yaml")
    running = subprocess.Popen(command(*command_line), cwd=home, env=environment(FAKE_SLEEP="0.6"), stderr=subprocess.DEVNULL)
    record = home / "outputs/mika/run.json"
    wait_for(lambda: json.loads(record.read_text())["state"] == "running" and "count" in json.loads(record.read_text())["executed"])
    program("clean")
    running.send_signal(signal.SIGTERM)
    assert running.wait(20) == 130
    assert json.loads(record.read_text())["state"] == "interrupted"
    program("clean")
    again = program(*command_line)
    assert "count       kept" in again.stderr and "glue        starts" in again.stderr
    assert json.loads(record.read_text())["state"] == "done"


def test_a_run_that_finds_another_at_work_leaves_its_record_alone(program: Program, home: Path) -> None:
    first = subprocess.Popen(command("run", "a.yaml"), cwd=home, env=environment(FAKE_SLEEP="0.6"), stderr=subprocess.DEVNULL)
    record = home / "outputs/mika/run.json"
    wait_for(lambda: record.exists() and json.loads(record.read_text())["state"] == "running")
    second = program("run", "a.yaml")
    assert second.returncode == 1 and f"process {first.pid}" in second.stderr
    assert json.loads(record.read_text())["state"] == "running"
    assert first.wait(30) == 0 and json.loads(record.read_text())["state"] == "done"


def test_early_cut_off_by_content(program: Program, home: Path) -> None:
    program("run", "a.yaml")
    program("run", "a.yaml", "--prompt", "bye")
    assert executed(home) == ["words"], "words runs, comes out the same, and glue is left alone"
    program("run", "a.yaml", "--count.pen", "lead")
    assert executed(home) == ["count"]


def test_force_forgets_the_checkpoints_of_an_attempt_that_failed(program: Program, home: Path) -> None:
    program("run", "a.yaml")
    key = json.loads((home / "outputs/mika/run.json").read_text())["stages"]["words"]["key"]
    work = home / "cache/words" / key[:2] / f"{key}.work"
    (work / "scratch/checkpoint").mkdir(parents=True)
    (work / "attempts").write_text("1")
    done = program("run", "a.yaml", "--force", "words")
    assert done.returncode == 0 and "goes on" not in done.stderr and "words       starts" in done.stderr and not work.exists()


def test_force_sets_aside_and_until_stops(program: Program, home: Path) -> None:
    program("run", "a.yaml", "--until", "words")
    assert executed(home) == ["count", "words"] and not (home / "outputs/mika/mika.txt").exists()
    program("run", "a.yaml", "--force", "words")
    assert executed(home) == ["words", "glue"]
    assert len(list((home / "cache/words").glob("??/*.aside-1"))) == 1
    cleaned = program("clean").stdout
    assert "aside-1" in cleaned and not list((home / "cache").glob("*/??/*.aside-*"))
    assert "starts" not in program("run", "a.yaml").stderr


def test_out_and_cache_can_lie_elsewhere(program: Program, home: Path) -> None:
    program("run", "a.yaml", "--out", "there")
    assert (home / "there/mika/mika.txt").exists() and (home / "there/.cache/glue").is_dir() and not (home / "cache").exists()
    program("run", "a.yaml", "--out", "there", "--cache", "kept")
    assert (home / "kept/glue").is_dir()


def test_without_yaml(program: Program, home: Path) -> None:
    assert program("run", "--prompt", "A cat with two hats").returncode == 0
    assert (home / "outputs/cat-two-hats/cat-two-hats.txt").exists()
    nothing = program("run")
    assert nothing.returncode == 2 and "--prompt" in nothing.stderr


@pytest.mark.parametrize(("arguments", "variables", "code", "said"), [
    (("run", "b.yaml"), {}, 2, "error: b.yaml: no such file; did you mean a.yaml?"),
    (("run", "a.yaml", "--count.steps", "0"), {}, 2, "nothing has run"),
    (("run", "a.yaml", "--until", "wrods"), {}, 2, "did you mean 'words'?"),
    (("run", "a.yaml", "--recipe", "x"), {}, 2, "expected one of character"),
    (("frobnicate",), {}, 2, "invalid choice"),
    (("verify", "--seed", "1"), {}, 2, "verify knows no --seed"),
    (("run", "a.yaml", "--device", "cuda"), {"CUDA_VISIBLE_DEVICES": ""}, 3, "--device: device: expected a CUDA device, but"),
    (("explain", "a.yaml", "--device", "cuda"), {"CUDA_VISIBLE_DEVICES": ""}, 3, "`device: auto` runs without one"),
    (("run", "a.yaml"), {"NO_GOLD": "1", "NO_LEAD": "1"}, 3, "gold: NO_GOLD is set; lead: NO_LEAD is set"),
    (("run", "a.yaml", "--count.pen", "gold"), {"NO_GOLD": "1"}, 3, "no other was tried"),
    (("run", "a.yaml", "--count.fail", "bug"), {}, 1, "error: count: ZeroDivisionError: a bug\nIts log: outputs/mika/logs/count.log"),
    (("run", "a.yaml", "--count.fail", "own"), {}, 1, "it is wrong. Mend it\nIts log"),
    (("run", "a.yaml", "--count.fail", "memory"), {}, 1, "too little memory"),
])
def test_exit_codes_and_sentences(program: Program, home: Path, arguments: tuple[str, ...], variables: dict[str, str], code: int, said: str) -> None:
    done = program(*arguments, **variables)
    assert done.returncode == code and said in done.stderr and "Traceback" not in done.stderr
    if code in (2, 3):
        assert not (home / "cache").exists() and not (home / "outputs").exists(), "nothing has run"
    if "bug" in arguments:
        assert "ZeroDivisionError" in (home / "outputs/mika/logs/count.log").read_text()
        assert "Traceback" in program(*arguments, "--debug").stderr


def test_what_the_system_refuses_is_a_sentence(program: Program, home: Path) -> None:
    (home / "taken").write_text("a file where a folder should be")
    done = program("run", "a.yaml", "--out", "taken")
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: [Errno 20] Not a directory")


def test_a_refused_backend_is_told_and_auto_goes_on(program: Program, home: Path) -> None:
    assert program("run", "a.yaml", NO_GOLD="1").returncode == 0
    chosen = json.loads((home / "outputs/mika/run.json").read_text())["stages"]["count"]["backends"]
    assert chosen == [{"capability": "writing", "name": "lead", "version": "1", "refused": {"gold": "NO_GOLD is set"}}]
    assert "gold refused: NO_GOLD is set" in (home / "outputs/mika/logs/count.log").read_text()


def test_terms_of_a_backend_are_told_where_it_was_used_and_by_doctor(program: Program, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pen, "licence", "for schools only", raising=False)
    monkeypatch.setattr(Pen, "version", lambda self: "18-carat")
    assert program("run", "a.yaml").returncode == 0
    (chosen,) = json.loads((home / "outputs/mika/run.json").read_text())["stages"]["count"]["backends"]
    assert chosen["licence"] == "for schools only"
    row = "<tr><td>gold</td><td>for schools only</td><td>18-carat</td></tr>"
    assert row in (home / "outputs/mika/report.html").read_text()
    assert "count, writing: lead (for schools only) (not gold (for schools only): NO_GOLD is set)" in program("doctor", NO_GOLD="1").stdout


def test_the_users_own_files_take_the_place_of_a_stage(program: Program, home: Path) -> None:
    done = program("run", "a.yaml", "--count.source", "folder")
    assert "count       left out: the numbers are your own" in done.stderr
    assert (home / "outputs/mika/mika.txt").read_text() == "[7]"


def test_verify_sets_damage_aside_and_the_next_run_mends_it(program: Program, home: Path) -> None:
    program("run", "a.yaml")
    assert program("verify").returncode == 0
    victim = next((home / "cache/words").glob("??/*/numbers.json"))
    victim.write_text(victim.read_text().replace("1", "9"))
    done = program("verify")
    assert done.returncode == 1 and "numbers.json was changed" in done.stdout
    program("run", "a.yaml")
    assert executed(home) == ["words"]


def test_notices_come_before_the_run(program: Program) -> None:
    said = program("run", "a.yaml", "--count.steps", "99").stderr
    assert said.index("note: count: ninety-nine is much") < said.index("count       starts")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_130_and_resumes(home: Path, program: Program, number: int) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:  # shells start what runs in their background so, and children inherit it
        signal.signal(number, signal.default_int_handler)
    running = subprocess.Popen(command("run", "a.yaml", "--count.steps", "60"), cwd=home, env=environment(FAKE_SLEEP="0.1"), stderr=subprocess.PIPE, text=True)
    wait_for(lambda: list(home.glob("cache/count/??/*.work/scratch/checkpoint/values.json")))
    running.send_signal(number)
    _, said = running.communicate(timeout=20)
    assert running.returncode == 130 and "goes on from here" in said and "Traceback" not in said
    assert "count       goes on" in program("run", "a.yaml", "--count.steps", "60").stderr


def test_kill_at_any_moment_and_resume_to_the_same_bytes(home: Path, program: Program) -> None:
    assert program("run", "a.yaml", "--count.steps", "12", "--cache", "undisturbed").returncode == 0
    moments = iter([0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.05, 1.3, 1.6])
    kills = 0
    while True:
        moment = next(moments, None)
        running = subprocess.Popen(command("run", "a.yaml", "--count.steps", "12"), cwd=home, env=environment(FAKE_SLEEP="0.05"), stderr=subprocess.DEVNULL)
        try:
            running.wait(moment)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            kills += 1
            continue
        assert running.returncode == 0
        break
    assert kills >= 3
    assert payload(home / "cache") == payload(home / "undisturbed")
    assert json.loads((home / "outputs/mika/run.json").read_text())["stages"].keys() == {"count", "words", "glue"}


def test_two_runs_at_once(home: Path, program: Program) -> None:
    running = subprocess.Popen(command("run", "a.yaml"), cwd=home, env=environment(FAKE_SLEEP="1.0"), stderr=subprocess.DEVNULL)
    wait_for(lambda: list(home.glob("cache/count/??/*.work")))
    second = program("run", "a.yaml")
    assert second.returncode == 1 and f"process {running.pid} on" in second.stderr
    running.kill()
    running.wait()
    assert program("run", "a.yaml").returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="no account of a child's processor time")
def test_help_is_quick() -> None:
    import resource

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    fastest = 9.0
    for _ in range(3):
        before = spent()
        done = subprocess.run([*command()[:2], "pipeline", "run", "--help"], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
        fastest = min(fastest, spent() - before)
    assert "--until" in done.stdout
    assert fastest < 0.5, "processor time, which does not depend on what else this machine does"


def test_help_loads_nothing_heavy() -> None:
    code = ("import sys; sys.argv = ['pipeline', '--help']\n"
            "from pipeline.__main__ import entry\n"
            "try: entry()\n"
            "except SystemExit: print([m for m in ('pydantic', 'ruamel', 'rich', 'numpy', 'torch', 'stages') if m in sys.modules], file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def wait_for(there: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
