"""Make the gallery: every prompt of ``configs/gallery``, seed 0, as it comes, and ``docs/gallery.md`` about them.

    python -m scripts.gallery --out outputs/gallery

Runs that are done are reused, so that a stopped gallery goes on; ``--jobs`` makes several at a time and shares the cores out. Of each character the page shows what the views stage painted,
the exported GLB rendered by Blender from eight sides and in three poses (where Blender is found), and its turntable.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipeline.machine import cores
from scripts.render_glb import render
from stages.artifacts.images import contact_sheet
from third_party.blender.provision import find_blender

SHEET_WIDTH, JPEG_QUALITY = 1400, 82
HEADING = """# Fifteen prompts

Seed 0, default settings, the embedded profile, the first try of each, failures included: `python -m scripts.gallery` makes this page.
Above, what the views stage painted; below, the exported GLB as Blender draws it, from eight sides and in three poses.
"""


@dataclass(frozen=True)
class Entry:
    """One character of the page: its run, and why there is none."""

    name: str
    prompt: str
    failure: str


def run(config: Path, out: Path, until: str, threads: int) -> Entry:
    """Run the pipeline as a user does; what ``run.json`` says of it."""
    command = [sys.executable, "-m", "pipeline", "run", str(config), "--out", str(out), "--threads", str(threads)]
    command += ["--until", until] if until else []
    done = subprocess.run(command, check=False)
    report = json.loads((out / config.stem / "run.json").read_text())
    failure = report["failure"].replace(f"{out}/", "") or ("" if done.returncode == 0 else f"exit code {done.returncode}")
    return Entry(report["name"], report["settings"]["prompt"], failure)


def save_sheet(picture: Image.Image, path: Path) -> None:
    """As JPEG, at most SHEET_WIDTH wide."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = picture.convert("RGB")
    if picture.width > SHEET_WIDTH:
        picture = picture.resize((SHEET_WIDTH, round(picture.height * SHEET_WIDTH / picture.width)), Image.Resampling.LANCZOS)
    picture.save(path, quality=JPEG_QUALITY)


def collect(entry: Entry, made: Path, pictures: Path) -> None:
    """Copy and draw what the page shows into ``pictures``."""
    sheet = made / "stages" / "views" / "preview" / "contact_sheet.png"
    if sheet.is_file():
        save_sheet(Image.open(sheet), pictures / f"{entry.name}_views.jpg")
    glb, blender = made / f"{entry.name}.glb", find_blender(None)
    if glb.is_file() and not isinstance(blender, str):
        shots, names = render(glb, blender, 238, 340, 12)
        save_sheet(Image.fromarray(contact_sheet(shots, 6, names)), pictures / f"{entry.name}_blender.jpg")
    if (made / "turntable.mp4").is_file():
        shutil.copyfile(made / "turntable.mp4", pictures / f"{entry.name}.mp4")


def page(entries: list[Entry], pictures: Path) -> str:
    """The Markdown of the gallery."""
    blocks = [HEADING]
    for e in entries:
        lines = [f"## {e.name}", "", f"*{e.prompt}*", *(("", f"**Failed:** {e.failure}.") if e.failure else ())]
        for kind in ("views", "blender"):
            if (pictures / f"{e.name}_{kind}.jpg").is_file():
                lines += ["", f"![{e.name}, {kind}](pictures/gallery/{e.name}_{kind}.jpg)"]
        if (pictures / f"{e.name}.mp4").is_file():
            lines += ["", f"[turntable](pictures/gallery/{e.name}.mp4)"]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", type=Path, default=Path("configs/gallery"))
    parser.add_argument("--out", type=Path, default=Path("outputs/gallery"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--until", default="", help="stop each run after this stage")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    o = parser.parse_args()
    pictures, configs = o.docs / "pictures" / "gallery", sorted(o.configs.glob("*.yaml"))
    threads = max(1, cores() // o.jobs)
    run(configs[0], o.out, "conditions", cores())  # all share them, and an entry has one maker
    with ThreadPoolExecutor(o.jobs) as pool:
        entries = []
        for entry in pool.map(lambda config: run(config, o.out, o.until, threads), configs):
            entries.append(entry)
            collect(entry, o.out / entry.name, pictures)
            (o.docs / "gallery.md").write_text(page(entries, pictures))


if __name__ == "__main__":
    main()
