"""``report.html``: one file that shows what a run did, with every picture inside it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.curves import read_figures, read_series, svg
from pipeline.hashing import PREVIEW
from pipeline.progress import duration
from pipeline.store import Manifest

KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif", ".mp4": "video/mp4"}
REPORT = "report.html"
PAGES = (".html",)
LARGEST_BYTES = 40 * 2**20
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#212529;background:#f8f9fa}
main{max-width:1100px;margin:0 auto;padding:24px 20px 80px}
h1{font-size:30px;margin:0}h2{font-size:20px;margin:40px 0 8px;text-transform:capitalize}h3{font-size:14px;margin:14px 0 4px;color:#495057}
blockquote{margin:10px 0 22px;padding:10px 16px;border-left:4px solid #f783ac;background:#fff;font-size:17px}
section,.card{background:#fff;border:1px solid #dee2e6;border-radius:10px;padding:16px 20px;margin:14px 0}
section h2{margin-top:0}table{border-collapse:collapse;width:100%;font-size:14px}td,th{text-align:left;padding:4px 10px 4px 0;vertical-align:top}
th{color:#868e96;font-weight:500}img,video{max-width:100%;border-radius:6px;background:#fff}
.warn{border-color:#ffc078;background:#fff9db}.small{color:#868e96;font-size:13px}pre{overflow:auto;font-size:12.5px;margin:0}
iframe{width:100%;height:620px;border:0;border-radius:6px}
.flow{display:flex;flex-wrap:wrap;gap:16px}.flow figure{margin:0}figcaption{font-size:12.5px;color:#868e96}
svg text{font:11px system-ui,sans-serif;fill:#868e96}svg .axis{stroke:#ced4da;fill:none}
"""


@dataclass(frozen=True)
class Account:
    """What the report tells of. ``skipped`` maps stages to reasons; ``warnings`` are those of the run itself."""

    name: str
    recipe: str
    resolved: Mapping[str, Any]
    manifests: Mapping[str, Manifest]
    folders: Mapping[str, Path]
    executed: tuple[str, ...]
    skipped: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    failure: str = ""


def write_report(account: Account, target: Path) -> Path:
    """Write ``target/report.html`` and return its path."""
    path = target / REPORT
    path.write_text(page(account), encoding="utf-8")
    return path


def page(account: Account) -> str:
    """The whole HTML document; nothing in it points outside."""
    parts = [f"<h1>{_e(account.name)}</h1>"]
    if account.resolved.get("prompt"):
        parts.append(f"<blockquote>{_e(account.resolved['prompt'])}</blockquote>")
    if account.failure:
        parts.append(f'<div class="card warn"><h3>This run stopped</h3><pre>{_e(account.failure)}</pre></div>')
    parts += [_warnings(account), _result(account), _table(account)]
    parts += [_stage(name, account.folders[name], manifest) for name, manifest in account.manifests.items()]
    parts += [_licences(account.manifests.values()), _settings(account.resolved), _versions(account.manifests.values())]
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_e(account.name)}</title>'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head>'
            f"<body><main>{''.join(parts)}</main></body></html>\n")


def _warnings(account: Account) -> str:
    lines = [("", w) for w in account.warnings] + [(n, w) for n, m in account.manifests.items() for w in m.warnings]
    lines += [(n, f"left out: {reason}") for n, reason in account.skipped.items()]
    if not lines:
        return ""
    items = "".join(f"<li>{f'<b>{_e(n)}</b>: ' if n else ''}{_e(w)}</li>" for n, w in lines)
    return f'<div class="card warn"><h3>Worth knowing</h3><ul>{items}</ul></div>'


def _result(account: Account) -> str:
    """Pictures of the last stage's own folder: the turntable and the contact sheet."""
    if not account.folders:
        return ""
    folder = list(account.folders.values())[-1]
    shown = [p for p in sorted(folder.iterdir(), reverse=True) if p.suffix.lower() in KINDS and _is_picture_of_result(p)]
    return f'<div class="card flow">{"".join(_figure(p) for p in shown)}</div>' if shown else ""


def _is_picture_of_result(path: Path) -> bool:
    return path.suffix.lower() == ".mp4" or "contact" in path.stem or "turntable" in path.stem


def _table(account: Account) -> str:
    rows = []
    for name, m in account.manifests.items():
        how = "made in this run" if name in account.executed else f"kept from {m.started[:16].replace('T', ' ')} UTC"
        backends = "<br>".join(_backend(b) for b in m.backends)
        resumed = f", resumed {m.attempts - 1} times" if m.attempts > 1 else ""
        rows.append(f"<tr><td><b>{_e(name)}</b></td><td>{duration(m.seconds)}{resumed}</td><td>{_memory(m)}</td>"
                    f"<td>{_e(how)}</td><td>{backends}</td></tr>")
    total = sum(m.seconds for m in account.manifests.values())
    peak = max((m.peak_memory_bytes for m in account.manifests.values()), default=0)
    rows.append(f"<tr><td><b>all</b></td><td>{duration(total)}</td><td>{peak / 2**30:.2f} GiB</td><td></td><td></td></tr>")
    return (f'<div class="card"><table><tr><th>stage</th><th>time</th><th>peak memory</th><th></th><th>done by</th></tr>'
            f"{''.join(rows)}</table></div>")


def _memory(manifest: Manifest) -> str:
    """The peak of the process, that of the GPU if it was used, and what was expected, for which of them it was."""
    figures = manifest.figures
    peaks = [("", manifest.peak_memory_bytes), ("GPU ", figures.get("gpu_peak_bytes"))]
    said = ", ".join(f"{name}{peak / 2**30:.2f} GiB" for name, peak in peaks if peak is not None)
    expected = figures.get("expected_peak_bytes")
    return said if expected is None else f'{said} <span class="small">(expected {expected / 2**30:.2f})</span>'


def _backend(backend: Mapping[str, Any]) -> str:
    refused = "".join(f'<br><span class="small">not {_e(n)}: {_e(r)}</span>' for n, r in backend["refused"].items())
    return f"{_e(backend['capability'])}: {_e(backend['name'])} {_e(backend['version'])}{refused}"


def _stage(name: str, folder: Path, manifest: Manifest) -> str:
    preview = folder / PREVIEW
    files = sorted((p for p in preview.rglob("*") if p.is_file()), key=_order) if preview.is_dir() else []
    pictures = "".join(_figure(p) for p in files if p.suffix.lower() in KINDS)
    curves = "".join(_curve(p) for p in files if p.suffix.lower() == ".json")
    pages = "".join(_page(p) for p in files if p.suffix.lower() in PAGES)
    body = f'{pages}<div class="flow">{pictures}</div><div class="flow">{curves}</div>' if pages or pictures or curves else '<p class="small">no preview</p>'
    return f'<section><h2>{_e(name)}</h2>{body}<p class="small">key {manifest.key[:16]}</p></section>'


def _order(path: Path) -> tuple[int, str]:
    return (0 if "sheet" in path.stem else 1 if path.suffix == ".mp4" else 2, path.name)


def _figure(path: Path) -> str:
    caption = f"<figcaption>{_e(path.stem.replace('_', ' '))}</figcaption>"
    if path.stat().st_size > LARGEST_BYTES:
        return f"<figure><p>{_e(path.name)} is too large to stand in this page ({path.stat().st_size >> 20} MB)</p>{caption}</figure>"
    kind = KINDS[path.suffix.lower()]
    data = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    if kind.startswith("video/"):
        return f'<figure><video src="{data}" controls loop muted autoplay playsinline></video>{caption}</figure>'
    return f'<figure><img src="{data}" alt="{_e(path.stem)}">{caption}</figure>'


def _page(path: Path) -> str:
    """A page of a stage's own in a frame that may run its scripts and reaches neither this page nor, by its own policy, the network."""
    if path.stat().st_size > LARGEST_BYTES:
        return f'<p class="small">{_e(path.name)} is too large to stand in this page ({path.stat().st_size >> 20} MB)</p>'
    source = html.escape(path.read_text(encoding="utf-8"), quote=True)
    return f'<iframe sandbox="allow-scripts" loading="lazy" title="{_e(path.stem)}" srcdoc="{source}"></iframe>'


def _curve(path: Path) -> str:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return f'<p class="small">{_e(path.name)} is not legal JSON</p>'
    title = str(data.get("title", path.stem)) if isinstance(data, dict) else path.stem
    x, series = read_series(data)
    label = str(data.get("x_label", "")) if isinstance(data, dict) else ""
    figures = read_figures(data)
    chart = svg(title, x, series, label) if series else ""
    table = "".join(f"<tr><th>{_e(k)}</th><td>{_e(v)}</td></tr>" for k, v in list(figures.items())[:60])
    return f"<figure><h3>{_e(title.replace('_', ' '))}</h3>{chart}{f'<table>{table}</table>' if table else ''}</figure>"


def _licences(manifests: Iterable[Manifest]) -> str:
    manifests = list(manifests)
    known = {(m["name"], m["licence"], m["revision"][:12]) for manifest in manifests for m in manifest.models}
    known |= {(b["name"], b["licence"], b["version"]) for manifest in manifests for b in manifest.backends if b.get("licence")}
    if not known:
        return ""
    rows = "".join(f"<tr><td>{_e(n)}</td><td>{_e(licence)}</td><td>{_e(r)}</td></tr>" for n, licence, r in sorted(known))
    return f'<section><h2>models, programs and licences</h2><table><tr><th>name</th><th>licence</th><th>revision</th></tr>{rows}</table></section>'


def _settings(resolved: Mapping[str, Any]) -> str:
    text = json.dumps(resolved, indent=2, ensure_ascii=False, default=str)
    return f"<section><h2>settings</h2><details><summary>everything, defaults included</summary><pre>{_e(text)}</pre></details></section>"


def _versions(manifests: Iterable[Manifest]) -> str:
    known = {n: v for m in manifests for n, v in m.versions.items()}
    return f'<p class="small">{_e(", ".join(f"{n} {v}" for n, v in sorted(known.items())))}</p>'


def _e(text: Any) -> str:
    return html.escape(str(text))
