"""The rules for one photo, all together."""

from datetime import datetime

from proofs.checks.capture_time import check_capture_time
from proofs.checks.findings import Finding, FindingCode, Severity
from proofs.checks.geofence import Geofence, check_position
from proofs.readers.facts import ImageFacts

# Compared in lower case anywhere in the Software tag. Cameras write that tag too, so only names of
# programs that change pictures count.
EDITOR_NAMES = (
    "acdsee",
    "adobe",
    "affinity",
    "beautyplus",
    "canva",
    "corel",
    "dall-e",
    "darktable",
    "facetune",
    "faceapp",
    "gimp",
    "imagemagick",
    "inshot",
    "irfanview",
    "lightroom",
    "luminar",
    "meitu",
    "midjourney",
    "paint.net",
    "photopea",
    "photoscape",
    "photoshop",
    "picasa",
    "picsart",
    "pixelmator",
    "pixlr",
    "polarr",
    "snapseed",
    "stable diffusion",
    "vsco",
)

# What a picture must have to show work: less is a thumbnail or an icon.
SHORTER_SIDE_MIN_PX = 200


def check_photo(
    *,
    facts: ImageFacts,
    arrived_at: datetime,
    fence: Geofence | None,
    max_age_minutes: int | None,
    gps_required: bool,
    came_by_link: bool = False,
) -> list[Finding]:
    """Judge what a photo says about itself; findings come in the order time, place,
    content, signs.

    `arrived_at` is the moment when the last byte arrived, with its time zone. Whether the picture
    was sent before is asked of `duplicates.check_reuse`, which needs the other pictures.
    """
    return [
        *check_capture_time(
            taken_at_local=facts.taken_at_local,
            utc_offset=facts.utc_offset,
            gps_time_utc=facts.gps_time_utc,
            arrived_at=arrived_at,
            max_age_minutes=max_age_minutes,
            came_by_link=came_by_link,
        ),
        *check_position(
            latitude=facts.latitude,
            longitude=facts.longitude,
            positioning_error_m=facts.positioning_error_m,
            fence=fence,
            gps_required=gps_required,
            came_by_link=came_by_link,
        ),
        *check_content(facts=facts),
        *check_origin(facts=facts),
    ]


def check_content(*, facts: ImageFacts) -> list[Finding]:
    """Whether the picture shows enough to be told from others: its size, and its structure.

    Black, white and plain pictures are all alike, so none of the rules on reuse can speak against
    one. What cannot be compared must not pass as compared.
    """
    has_structure = facts.perceptual_hash is not None
    if has_structure and min(facts.width, facts.height) >= SHORTER_SIDE_MIN_PX:
        return []
    return [
        Finding(
            code=FindingCode.NOTHING_TO_SEE,
            severity=Severity.SOFT,
            message="The picture is too small, too dark or too plain to show anything.",
            hint="Take a new photo of the work, with enough light and in its full size.",
            data={
                "width": facts.width,
                "height": facts.height,
                "shorter_side_px_min": SHORTER_SIDE_MIN_PX,
                "has_structure": has_structure,
            },
        )
    ]


def check_origin(*, facts: ImageFacts) -> list[Finding]:
    """Look for signs that the file is not a camera's original. None of them proves anything."""
    findings = []
    names_camera = facts.make is not None or facts.model is not None
    if facts.software is not None and _names_an_editor(facts.software):
        findings.append(
            Finding(
                code=FindingCode.EDITING_SOFTWARE,
                severity=Severity.INFO,
                message="The photo was saved by a program that edits pictures.",
                hint="Look for changed parts, and ask for the original if in doubt.",
                data={"software": facts.software},
            )
        )
    if facts.media_type == "image/png" and not names_camera and facts.taken_at_local is None:
        findings.append(
            Finding(
                code=FindingCode.SCREENSHOT_LIKE,
                severity=Severity.INFO,
                message="The picture looks like a screenshot: a PNG without camera or time.",
                hint="Ask for the original photo if it shows a screen.",
                data={"width": facts.width, "height": facts.height},
            )
        )
    if not names_camera:
        findings.append(
            Finding(
                code=FindingCode.NO_CAMERA,
                severity=Severity.INFO,
                message="The photo does not name the camera that took it.",
                hint="Copies from chats have lost it; ask for the original if in doubt.",
            )
        )
    return findings


def _names_an_editor(software: str) -> bool:
    lowered = software.lower()
    return any(name in lowered for name in EDITOR_NAMES)
