"""When a photo was taken, and whether that is recent enough.

A camera writes its local time. It becomes an instant in one of two ways: by the UTC offset that the
camera wrote beside it, or by the GPS time, which is UTC. Without either, the same local time is a
different instant in each time zone, and the photo is judged for all of them, from UTC-12 to UTC+14:

* too old in every zone: refused, for it cannot be recent;
* in the future in every zone: refused, for no clock on earth shows that time yet;
* anything else: held for a person, also where no age limit is set. A machine never approves a photo
  whose instant it does not know, and a person is told why it was held.

A GPS time dates the photo only if some time zone lets it agree with the camera's clock. Otherwise
one of the two is wrong (a position from long ago, a clock never set, an edited tag), and the photo
is judged as if it had no GPS time: an edited GPS tag cannot make an old photo young.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from proofs.checks.findings import Finding, FindingCode, Severity

WESTERNMOST_OFFSET = timedelta(hours=-12)
EASTERNMOST_OFFSET = timedelta(hours=14)
FUTURE_TOLERANCE = timedelta(minutes=2)
# A position is often fixed a little before or after the shutter opens.
GPS_TIME_TOLERANCE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class CaptureWindow:
    """The instants at which a photo can have been taken; both ends are equal when it is exact."""

    earliest: datetime
    latest: datetime

    @property
    def is_exact(self) -> bool:
        """Whether the instant is known."""
        return self.earliest == self.latest


def capture_window(
    *, taken_at_local: str | None, utc_offset: str | None, gps_time_utc: str | None
) -> CaptureWindow | None:
    """Give the instants at which a photo can have been taken, None where it has no usable time.

    `taken_at_local` is an ISO time without offset, `utc_offset` is written `+02:00`, and
    `gps_time_utc` is an ISO time in UTC. What cannot be read counts as absent.
    """
    local = _parse_local(taken_at_local)
    if local is None:
        return None
    offset = _parse_offset(utc_offset)
    gps_time = _parse_instant(gps_time_utc)
    try:
        if offset is not None:
            return CaptureWindow(local - offset, local - offset)
        window = CaptureWindow(local - EASTERNMOST_OFFSET, local - WESTERNMOST_OFFSET)
    except OverflowError:
        # The first and the last day of the calendar are what broken clocks show.
        return None
    if gps_time is not None and _lies_in(gps_time, window):
        return CaptureWindow(gps_time, gps_time)
    return window


def check_capture_time(
    *,
    taken_at_local: str | None,
    utc_offset: str | None,
    gps_time_utc: str | None,
    arrived_at: datetime,
    max_age_minutes: int | None,
    came_by_link: bool,
) -> list[Finding]:
    """Judge a photo's age at `arrived_at`, the moment when its last byte arrived.

    `max_age_minutes` None means that no age is too old; then, and for a photo that came by a proof
    link, a missing time holds the photo and does not refuse it. Raises ValueError for a naive
    `arrived_at`.
    """
    if arrived_at.tzinfo is None:
        raise ValueError("arrived_at needs a time zone")
    window = capture_window(
        taken_at_local=taken_at_local, utc_offset=utc_offset, gps_time_utc=gps_time_utc
    )
    if window is None:
        return [_missing(is_hard=max_age_minutes is not None and not came_by_link)]
    return [
        finding
        for finding in (
            _judge_age(window, arrived_at, max_age_minutes),
            _compare_with_gps_time(window, _parse_instant(gps_time_utc)),
        )
        if finding is not None
    ]


def _judge_age(
    window: CaptureWindow, arrived_at: datetime, max_age_minutes: int | None
) -> Finding | None:
    youngest_age = arrived_at - window.latest
    oldest_age = arrived_at - window.earliest
    if max_age_minutes is not None and youngest_age > timedelta(minutes=max_age_minutes):
        return Finding(
            code=FindingCode.STALE_TIMESTAMP,
            severity=Severity.HARD,
            message="The photo is older than this milestone allows.",
            hint="Take a new photo now and send it at once.",
            data={"age_minutes": _minutes(youngest_age), "max_age_minutes": max_age_minutes},
        )
    if -oldest_age > FUTURE_TOLERANCE:
        return Finding(
            code=FindingCode.FUTURE_TIMESTAMP,
            severity=Severity.HARD,
            message="The photo's time lies in the future.",
            hint="Set the clock of the camera or phone, then take a new photo.",
            data={
                "minutes_ahead": _minutes(-oldest_age),
                "tolerance_minutes": _minutes(FUTURE_TOLERANCE),
            },
        )
    if not window.is_exact:
        return Finding(
            code=FindingCode.TIMEZONE_UNKNOWN,
            severity=Severity.SOFT,
            message="The photo does not say in which time zone it was taken.",
            hint="A person will look at it. Photos taken with location switched on are quicker.",
            data={
                "age_minutes_min": _minutes(youngest_age),
                "age_minutes_max": _minutes(oldest_age),
                "max_age_minutes": max_age_minutes,
            },
        )
    return None


def _missing(*, is_hard: bool) -> Finding:
    return Finding(
        code=FindingCode.MISSING_EXIF_TIMESTAMP,
        severity=Severity.HARD if is_hard else Severity.SOFT,
        message="The photo does not say when it was taken.",
        hint="Send the original photo from the camera, not a screenshot or a copy from a chat.",
    )


def _compare_with_gps_time(window: CaptureWindow, gps_time: datetime | None) -> Finding | None:
    if gps_time is None or _lies_in(gps_time, window):
        return None
    difference = max(window.earliest - gps_time, gps_time - window.latest)
    return Finding(
        code=FindingCode.GPS_TIME_DIFFERS,
        # One of the two is wrong, or the position is not of the moment of the photo.
        severity=Severity.SOFT,
        message="The camera's clock and the time of its position do not agree.",
        hint="Compare both times with what the picture shows.",
        data={"difference_minutes": _minutes(difference)},
    )


def _lies_in(instant: datetime, window: CaptureWindow) -> bool:
    # Written as differences, which cannot overflow at the ends of the calendar.
    return (
        window.earliest - instant <= GPS_TIME_TOLERANCE
        and instant - window.latest <= GPS_TIME_TOLERANCE
    )


def _parse_local(text: str | None) -> datetime | None:
    """Read a local time, marked as UTC so that an offset can be subtracted from it."""
    moment = _parse_iso(text)
    if moment is None or moment.tzinfo is not None:
        return None
    return moment.replace(tzinfo=UTC)


def _parse_instant(text: str | None) -> datetime | None:
    moment = _parse_iso(text)
    if moment is None or moment.tzinfo is None:
        return None
    return moment


def _parse_iso(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _parse_offset(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        offset = datetime.strptime(text, "%z").utcoffset()
    except (TypeError, ValueError):
        return None
    if offset is None or not WESTERNMOST_OFFSET <= offset <= EASTERNMOST_OFFSET:
        return None
    return offset


def _minutes(duration: timedelta) -> float:
    return round(duration.total_seconds() / 60, 2)
