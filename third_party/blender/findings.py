"""What ``doctor`` says of Blender."""

from __future__ import annotations

from pipeline.doctor import Finding
from third_party.blender.provision import APT_LINE, DISK_MB, DOWNLOAD_MB, SETUP_LINE, check, find_blender, missing_libraries

COST = ("the project's own renderer draws the conditions; bodies of your own in FBX, .blend or compressed GLB cannot be read; "
        "FBX, USDZ and .blend cannot be written")


def blender_findings() -> list[Finding]:
    """Blender and, on Linux, the system libraries that its wheel needs."""
    program = find_blender()
    if isinstance(program, str):
        remedy = f"{SETUP_LINE}  (download about {DOWNLOAD_MB} MB, on disk about {DISK_MB} MB)"
        found = [Finding("Blender", program, COST, remedy, needed=False)]
        missing = missing_libraries()
        if missing:
            found.append(Finding("system libraries", f"missing: {', '.join(missing)}", "the bpy wheel does not start", APT_LINE, needed=False))
        return found
    problem = check(program)
    remedy = APT_LINE if missing_libraries() else SETUP_LINE
    return [Finding("Blender", f"{program.version}, {program.path}" if problem is None else problem, COST if problem else "", remedy, needed=False)]
