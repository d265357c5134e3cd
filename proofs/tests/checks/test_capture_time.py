"""A photo's age, with and without a time zone."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.checks.capture_time import CaptureWindow, capture_window, check_capture_time
from proofs.checks.findings import Finding, FindingCode, Severity

ARRIVED_AT = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)


def judge(
    taken_at_local: str | None,
    utc_offset: str | None = None,
    gps_time_utc: str | None = None,
    *,
    max_age_minutes: int | None = 120,
    came_by_link: bool = False,
) -> list[Finding]:
    return check_capture_time(
        taken_at_local=taken_at_local,
        utc_offset=utc_offset,
        gps_time_utc=gps_time_utc,
        arrived_at=ARRIVED_AT,
        max_age_minutes=max_age_minutes,
        came_by_link=came_by_link,
    )


def verdict(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.code.value, finding.severity.value) for finding in findings]


def local(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat()


HARD_STALE = [("STALE_TIMESTAMP", "hard")]
HARD_FUTURE = [("FUTURE_TIMESTAMP", "hard")]
SOFT_ZONE = [("TIMEZONE_UNKNOWN", "soft")]


@pytest.mark.parametrize(
    ("taken_at_local", "offset", "expected"),
    [
        ("2026-03-10T12:00:00", "+00:00", []),
        ("2026-03-10T10:00:00", "+00:00", []),
        ("2026-03-10T09:59:59", "+00:00", HARD_STALE),
        ("2026-03-10T12:02:00", "+00:00", []),
        ("2026-03-10T12:02:01", "+00:00", HARD_FUTURE),
        ("2026-03-11T02:00:00", "+14:00", []),
        ("2026-03-11T00:00:00", "-12:00", HARD_FUTURE),
        ("2026-03-10T00:00:00", "-12:00", []),
        ("2026-03-10T17:30:00", "+05:30", []),
        ("2025-03-10T12:00:00", "+00:00", HARD_STALE),
    ],
)
def test_with_an_offset_the_age_is_exact(
    taken_at_local: str, offset: str, expected: list[tuple[str, str]]
) -> None:
    assert verdict(judge(taken_at_local, offset)) == expected


def test_the_age_is_given_with_its_limit() -> None:
    (finding,) = judge("2026-03-10T09:30:00", "+00:00")
    assert finding.data == {"age_minutes": 150.0, "max_age_minutes": 120}


def test_no_age_is_too_old_without_a_limit_but_the_future_is_still_refused() -> None:
    assert judge("1999-01-01T00:00:00", "+00:00", max_age_minutes=None) == []
    future = judge("2026-03-10T13:00:00", "+00:00", max_age_minutes=None)
    assert verdict(future) == HARD_FUTURE
    assert future[0].data == {"minutes_ahead": 60.0, "tolerance_minutes": 2.0}


@pytest.mark.parametrize(
    "unusable", [None, "", "0000-00-00T00:00:00", "yesterday", "2026-03-10T12:00:00Z"]
)
def test_a_photo_without_a_usable_time_is_refused_where_its_age_matters(
    unusable: str | None,
) -> None:
    assert verdict(judge(unusable)) == [("MISSING_EXIF_TIMESTAMP", "hard")]
    assert verdict(judge(unusable, max_age_minutes=None)) == [("MISSING_EXIF_TIMESTAMP", "soft")]
    assert verdict(judge(unusable, came_by_link=True)) == [("MISSING_EXIF_TIMESTAMP", "soft")]


def test_a_gps_time_alone_is_no_capture_time() -> None:
    findings = judge(None, None, "2026-03-10T12:00:00+00:00")
    assert verdict(findings) == [("MISSING_EXIF_TIMESTAMP", "hard")]


def test_a_photo_by_link_is_refused_for_its_age_like_any_other() -> None:
    assert verdict(judge("2026-03-09T12:00:00", "+00:00", came_by_link=True)) == HARD_STALE


@pytest.mark.parametrize(
    ("hours_from_arrival", "expected"),
    [
        # At UTC-12 the instant is latest: twelve hours after the same reading in UTC.
        (-14.0 - 1 / 3600, HARD_STALE),
        (-14.0, SOFT_ZONE),
        (-2.0, SOFT_ZONE),
        (0.0, SOFT_ZONE),
        # At UTC+14 it is earliest.
        (14.0 + 2 / 60, SOFT_ZONE),
        (14.0 + 2 / 60 + 1 / 3600, HARD_FUTURE),
    ],
)
def test_without_a_zone_a_photo_is_judged_for_all_of_them(
    hours_from_arrival: float, expected: list[tuple[str, str]]
) -> None:
    reading = local(ARRIVED_AT + timedelta(seconds=round(hours_from_arrival * 3600)))
    assert verdict(judge(reading)) == expected


def test_an_unknown_zone_is_held_with_both_ages() -> None:
    (finding,) = judge("2026-03-10T12:00:00")
    assert finding.data == {
        "age_minutes_min": -720.0,
        "age_minutes_max": 840.0,
        "max_age_minutes": 120,
    }


def test_an_unknown_zone_is_held_without_an_age_limit_too() -> None:
    assert verdict(judge("2008-10-22T16:28:39", max_age_minutes=None)) == SOFT_ZONE


def test_a_gps_time_makes_the_age_exact() -> None:
    assert judge("2026-03-10T14:00:00", None, "2026-03-10T12:00:00+00:00") == []
    stale = judge("2026-03-10T14:00:00", None, "2026-03-10T09:00:00+00:00")
    assert verdict(stale) == HARD_STALE


def test_the_cameras_own_offset_goes_before_the_gps_time() -> None:
    window = capture_window(
        taken_at_local="2026-03-10T14:00:00",
        utc_offset="+02:00",
        gps_time_utc="2026-03-10T11:58:00+00:00",
    )
    assert window == CaptureWindow(ARRIVED_AT, ARRIVED_AT)


def test_a_gps_time_of_today_does_not_make_a_photo_of_last_year_young() -> None:
    findings = judge("2025-03-10T12:00:00", None, "2026-03-10T12:00:00+00:00")
    assert verdict(findings) == [*HARD_STALE, ("GPS_TIME_DIFFERS", "soft")]


def test_a_gps_fix_of_last_week_does_not_make_a_photo_of_today_old() -> None:
    findings = judge("2026-03-10T12:00:00", None, "2026-03-03T12:00:00+00:00")
    assert verdict(findings) == [*SOFT_ZONE, ("GPS_TIME_DIFFERS", "soft")]


def test_two_clocks_that_disagree_are_shown() -> None:
    findings = judge("2026-03-10T12:00:00", "+00:00", "2026-03-10T10:00:00+00:00")
    assert verdict(findings) == [("GPS_TIME_DIFFERS", "soft")]
    assert findings[0].data == {"difference_minutes": 120.0}
    assert judge("2026-03-10T12:00:00", "+00:00", "2026-03-10T11:45:00+00:00") == []


@pytest.mark.parametrize("offset", ["", "Paris", "+25:00", "-12:01", "+14:01", "+99:99", "02:00"])
def test_an_offset_of_no_place_on_earth_is_no_offset(offset: str) -> None:
    assert verdict(judge("2026-03-10T12:00:00", offset)) == SOFT_ZONE


@pytest.mark.parametrize("reading", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_the_ends_of_the_calendar_are_what_broken_clocks_show(reading: str) -> None:
    assert verdict(judge(reading)) == [("MISSING_EXIF_TIMESTAMP", "hard")]


def test_a_gps_time_at_the_end_of_the_calendar_harms_nothing() -> None:
    findings = judge("2026-03-10T12:00:00", "+00:00", "9999-12-31T23:59:59+00:00")
    assert verdict(findings) == [("GPS_TIME_DIFFERS", "soft")]


def test_the_moment_of_arrival_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="arrived_at"):
        check_capture_time(
            taken_at_local=None,
            utc_offset=None,
            gps_time_utc=None,
            arrived_at=ARRIVED_AT.replace(tzinfo=None),
            max_age_minutes=None,
            came_by_link=False,
        )


moments = st.datetimes(datetime(2026, 3, 8), datetime(2026, 3, 12)).map(  # noqa: DTZ001 -- readings
    lambda moment: moment.replace(microsecond=0)
)
quarters_of_an_hour = st.integers(-48, 56)


@given(moment=moments, quarters=quarters_of_an_hour)
def test_every_zone_on_earth_lies_in_the_window(moment: datetime, quarters: int) -> None:
    zone = timezone(timedelta(minutes=15 * quarters))
    window = capture_window(taken_at_local=moment.isoformat(), utc_offset=None, gps_time_utc=None)
    assert window is not None
    assert window.earliest <= moment.replace(tzinfo=zone) <= window.latest


@given(moment=moments, quarters=quarters_of_an_hour, max_age_minutes=st.integers(0, 3000))
def test_what_is_refused_without_a_zone_is_refused_in_every_zone(
    moment: datetime, quarters: int, max_age_minutes: int
) -> None:
    without = judge(moment.isoformat(), max_age_minutes=max_age_minutes)
    offset = moment.replace(tzinfo=timezone(timedelta(minutes=15 * quarters))).isoformat()[-6:]
    within = judge(moment.isoformat(), offset, max_age_minutes=max_age_minutes)
    if without[0].severity is Severity.HARD:
        assert [finding.code for finding in within] == [without[0].code]
    else:
        assert without[0].code is FindingCode.TIMEZONE_UNKNOWN


@given(
    taken_at_local=st.text(max_size=30) | st.none(),
    utc_offset=st.text(max_size=8) | st.none(),
    gps_time_utc=st.text(max_size=30) | st.none(),
)
def test_no_text_makes_the_rules_fail(
    taken_at_local: str | None, utc_offset: str | None, gps_time_utc: str | None
) -> None:
    judge(taken_at_local, utc_offset, gps_time_utc)
