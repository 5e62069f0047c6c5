"""Meta information of a VRM: VRMC_vrm 1.0, meta."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stages.export.vrm_settings import VrmSettings

LICENCE_URL = "https://vrm.dev/licenses/1.0/"
UNKNOWN = "unknown"


def meta(name: str, settings: VrmSettings, thumbnail: int, warn: Callable[[str], None]) -> dict[str, Any]:
    """The ``meta`` object; what was left blank is left out, but for the authors, without whom there is no VRM. ``thumbnail`` is an image's index."""
    if not settings.authors:
        warn(f"The VRM names its author '{UNKNOWN}'; say who it is in export.vrm.authors.")
    if not settings.third_party_licenses:
        warn("The VRM holds no licences of others (export.vrm.third_party_licenses is empty); report.html lists those of the models that "
             "made the figure: copy there what they ask you to pass on.")
    texts = {
        "version": settings.version, "copyrightInformation": settings.copyright, "contactInformation": settings.contact,
        "references": list(settings.references), "thirdPartyLicenses": settings.third_party_licenses, "otherLicenseUrl": settings.other_license_url,
    }
    return {
        "name": name, "authors": list(settings.authors) or [UNKNOWN], "licenseUrl": LICENCE_URL, "thumbnailImage": thumbnail,
        **{key: text for key, text in texts.items() if text},
        "avatarPermission": settings.avatar_permission, "commercialUsage": settings.commercial_usage,
        "creditNotation": settings.credit_notation, "modification": settings.modification, "allowRedistribution": settings.allow_redistribution,
        "allowExcessivelyViolentUsage": settings.allow_excessively_violent_usage,
        "allowExcessivelySexualUsage": settings.allow_excessively_sexual_usage,
        "allowPoliticalOrReligiousUsage": settings.allow_political_or_religious_usage,
        "allowAntisocialOrHateUsage": settings.allow_antisocial_or_hate_usage,
    }
