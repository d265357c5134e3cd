"""All rules on one photo together."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from inspect import signature

import pytest

from proofs.checks.findings import Finding, FindingCode, Severity, worst_severity
from proofs.checks.geofence import Geofence
from proofs.checks.photo import check_photo
from proofs.readers.facts import GpsState, ImageFacts

ARRIVED_AT = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)
FENCE = Geofence(lat=Decimal("5.345317"), lng=Decimal("-4.024429"), radius_m=Decimal("200.00"))
CLEAN = ImageFacts(
    media_type="image/jpeg",
    width=4000,
    height=3000,
    orientation=1,
    make="Tecno",
    model="Camon",
    software="CK7n-H6220",
    taken_at_local="2026-03-10T11:30:00",
    utc_offset="+00:00",
    gps_time_utc="2026-03-10T11:29:58+00:00",
    latitude=5.3453,
    longitude=-4.0244,
    gps_state=GpsState.VALID,
    positioning_error_m=4.8,
    perceptual_hash="a5" * 32,
)


def judge(
    facts: ImageFacts,
    *,
    fence: Geofence | None = FENCE,
    max_age_minutes: int | None = 120,
    gps_required: bool = False,
    came_by_link: bool = False,
) -> list[Finding]:
    return check_photo(
        facts=facts,
        arrived_at=ARRIVED_AT,
        fence=fence,
        max_age_minutes=max_age_minutes,
        gps_required=gps_required,
        came_by_link=came_by_link,
    )


def codes(findings: list[Finding]) -> set[str]:
    return {finding.code.value for finding in findings}


def test_a_clean_photo_has_no_findings() -> None:
    assert judge(CLEAN, gps_required=True) == []


def test_d01_the_rules_see_what_the_server_read_and_nothing_that_a_client_typed() -> None:
    bare = replace(
        CLEAN,
        taken_at_local=None,
        utc_offset=None,
        gps_time_utc=None,
        latitude=None,
        longitude=None,
        gps_state=GpsState.ABSENT,
    )
    assert set(signature(check_photo).parameters) == {
        "facts",
        "arrived_at",
        "fence",
        "max_age_minutes",
        "gps_required",
        "came_by_link",
    }
    assert codes(judge(bare)) == {"MISSING_EXIF_TIMESTAMP", "MISSING_GPS"}
    assert worst_severity(judge(bare)) is Severity.HARD


@pytest.mark.parametrize(
    ("state", "latitude", "longitude"),
    [
        (GpsState.ABSENT, None, None),
        (GpsState.UNDEFINED, float("nan"), float("nan")),
        (GpsState.VALID, float("nan"), float("nan")),
        (GpsState.VALID, 0.0, 0.0),
        (GpsState.VALID, 123.0, 0.0),
    ],
)
def test_d02_a_photo_without_a_true_position_never_passes_a_fence(
    state: GpsState, latitude: float | None, longitude: float | None
) -> None:
    facts = replace(CLEAN, gps_state=state, latitude=latitude, longitude=longitude)
    findings = judge(facts)
    assert codes(findings) == {"MISSING_GPS"}
    assert worst_severity(findings) is Severity.SOFT
    assert worst_severity(judge(facts, gps_required=True)) is Severity.HARD


def test_every_rule_that_fails_is_told_at_once() -> None:
    facts = replace(CLEAN, taken_at_local="2026-03-09T11:30:00", gps_time_utc=None, latitude=5.4)
    assert codes(judge(facts)) == {"STALE_TIMESTAMP", "GEOFENCE_VIOLATION"}


def test_a_link_softens_what_phones_strip_and_nothing_else() -> None:
    stripped = replace(
        CLEAN,
        taken_at_local=None,
        utc_offset=None,
        gps_time_utc=None,
        latitude=None,
        longitude=None,
        gps_state=GpsState.ABSENT,
    )
    by_link = judge(stripped, gps_required=True, came_by_link=True)
    assert codes(by_link) == {"MISSING_EXIF_TIMESTAMP", "MISSING_GPS"}
    assert worst_severity(by_link) is Severity.SOFT
    elsewhere = replace(CLEAN, latitude=5.4)
    assert worst_severity(judge(elsewhere, came_by_link=True)) is Severity.HARD


@pytest.mark.parametrize(
    "software", ["Adobe Photoshop 7.0", "Snapseed 2.0", "GIMP 2.10.34", "PicsArt"]
)
def test_an_editor_in_the_software_tag_is_shown_and_holds_nothing_up(software: str) -> None:
    findings = judge(replace(CLEAN, software=software))
    assert codes(findings) == {"EDITING_SOFTWARE"}
    assert findings[0].severity is Severity.INFO
    assert findings[0].data == {"software": software}


@pytest.mark.parametrize("software", ["17.4.1", "G991BXXU5CVF3", "Nikon Transfer 1.1 W", None])
def test_a_cameras_own_software_is_no_sign_of_editing(software: str | None) -> None:
    assert judge(replace(CLEAN, software=software)) == []


def test_a_photo_that_names_no_camera_is_shown() -> None:
    findings = judge(replace(CLEAN, make=None, model=None))
    assert codes(findings) == {"NO_CAMERA"}
    assert worst_severity(findings) is Severity.INFO
    assert judge(replace(CLEAN, make=None)) == []


def test_a_screenshot_is_recognised_by_what_it_lacks() -> None:
    screenshot = replace(
        CLEAN, media_type="image/png", make=None, model=None, taken_at_local=None, software=None
    )
    findings = judge(screenshot, fence=None, max_age_minutes=None)
    assert codes(findings) == {"MISSING_EXIF_TIMESTAMP", "SCREENSHOT_LIKE", "NO_CAMERA"}
    assert worst_severity(findings) is Severity.SOFT
    assert "SCREENSHOT_LIKE" not in codes(judge(replace(CLEAN, media_type="image/png")))


@pytest.mark.parametrize(
    ("facts", "holds"),
    [
        (replace(CLEAN, width=200, height=4000), False),
        (replace(CLEAN, width=199, height=4000), True),
        (replace(CLEAN, width=4000, height=199), True),
        (replace(CLEAN, perceptual_hash=None), True),
    ],
)
def test_a_picture_that_can_be_told_from_no_other_waits_for_a_person(
    facts: ImageFacts, *, holds: bool
) -> None:
    findings = judge(facts)
    assert codes(findings) == ({"NOTHING_TO_SEE"} if holds else set())
    assert worst_severity(findings) is (Severity.SOFT if holds else None)


def test_every_finding_is_json_and_tells_the_person_what_to_do() -> None:
    bad = replace(
        CLEAN,
        taken_at_local="2026-03-10T11:30:00",
        utc_offset=None,
        gps_time_utc="2020-01-01T00:00:00+00:00",
        positioning_error_m=500.0,
        make=None,
        model=None,
        software="Canva",
    )
    findings = judge(bad)
    assert codes(findings) == {
        "TIMEZONE_UNKNOWN",
        "GPS_TIME_DIFFERS",
        "GEOFENCE_UNCERTAIN",
        "EDITING_SOFTWARE",
        "NO_CAMERA",
    }
    for finding in findings:
        written = json.loads(json.dumps(finding.to_json(), allow_nan=False))
        assert written == finding.to_json()
        assert finding.hint.endswith(".")
        assert finding.message.endswith(".")


def test_the_gravest_severity_decides() -> None:
    def finding(severity: Severity) -> Finding:
        return Finding(code=FindingCode.NO_CAMERA, severity=severity, message="", hint="")

    assert worst_severity([]) is None
    assert worst_severity([finding(Severity.INFO)]) is Severity.INFO
    assert worst_severity([finding(Severity.INFO), finding(Severity.SOFT)]) is Severity.SOFT
    assert worst_severity([finding(s) for s in Severity]) is Severity.HARD
