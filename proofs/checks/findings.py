"""What one check of one proof can say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """What a finding does to its proof."""

    HARD = "hard"  # the proof is refused and nothing of it is stored
    SOFT = "soft"  # the proof is stored and a person decides it
    INFO = "info"  # shown to whoever looks; holds nothing up


class FindingCode(StrEnum):
    """Every code that the checks of a photo can give."""

    MISSING_EXIF_TIMESTAMP = "MISSING_EXIF_TIMESTAMP"
    STALE_TIMESTAMP = "STALE_TIMESTAMP"
    FUTURE_TIMESTAMP = "FUTURE_TIMESTAMP"
    TIMEZONE_UNKNOWN = "TIMEZONE_UNKNOWN"
    MISSING_GPS = "MISSING_GPS"
    GEOFENCE_VIOLATION = "GEOFENCE_VIOLATION"
    GEOFENCE_UNCERTAIN = "GEOFENCE_UNCERTAIN"
    REUSED_IMAGE = "REUSED_IMAGE"
    GPS_TIME_DIFFERS = "GPS_TIME_DIFFERS"
    EDITING_SOFTWARE = "EDITING_SOFTWARE"
    SCREENSHOT_LIKE = "SCREENSHOT_LIKE"
    NO_CAMERA = "NO_CAMERA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One result of one check.

    `message` says what is the case and `hint` what the person can do about it; neither holds a
    figure, because not everyone who reads them may know the expected values. Figures are in `data`,
    as values that JSON can carry, with their unit in the name.
    """

    code: FindingCode
    severity: Severity
    message: str
    hint: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give the finding as a dict of plain JSON values."""
        return {
            "code": self.code.value,
            "severity": self.severity.value,
            "message": self.message,
            "hint": self.hint,
            "data": dict(self.data),
        }


def worst_severity(findings: Iterable[Finding]) -> Severity | None:
    """Give the gravest severity among `findings`, None where there are none."""
    present = {finding.severity for finding in findings}
    return next((severity for severity in Severity if severity in present), None)
