"""What ``doctor`` says of Blender."""

from __future__ import annotations

from pipeline.doctor import Finding
from third_party.blender.provision import APT_LINE, DISK_MB, DOWNLOAD_MB, SETUP_LINE, check, find_blender, missing_libraries

COST = "conditions fall back on the built-in renderer where it can stand in, and your own bodies cannot be read"


def blender_findings() -> list[Finding]:
    """Blender and, on Linux, the system libraries that its wheel needs."""
    program = find_blender()
    if isinstance(program, str):
        found = [Finding("Blender", program, COST, f"{SETUP_LINE}  (download about {DOWNLOAD_MB} MB, on disk about {DISK_MB} MB)")]
        missing = missing_libraries()
        if missing:
            found.append(Finding("system libraries", f"missing: {', '.join(missing)}", "the bpy wheel does not start", APT_LINE))
        return found
    problem = check(program)
    remedy = APT_LINE if missing_libraries() else SETUP_LINE
    return [Finding("Blender", f"{program.version}, {program.path}" if problem is None else problem, COST if problem else "", remedy)]
