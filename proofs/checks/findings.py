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
    """Every code that the checks of photos and documents can give."""

    MISSING_EXIF_TIMESTAMP = "MISSING_EXIF_TIMESTAMP"
    STALE_TIMESTAMP = "STALE_TIMESTAMP"
    FUTURE_TIMESTAMP = "FUTURE_TIMESTAMP"
    TIMEZONE_UNKNOWN = "TIMEZONE_UNKNOWN"
    MISSING_GPS = "MISSING_GPS"
    GEOFENCE_VIOLATION = "GEOFENCE_VIOLATION"
    GEOFENCE_UNCERTAIN = "GEOFENCE_UNCERTAIN"
    NOTHING_TO_SEE = "NOTHING_TO_SEE"
    REUSED_IMAGE = "REUSED_IMAGE"
    REUSED_SHOT = "REUSED_SHOT"
    IMPOSSIBLE_TRAVEL = "IMPOSSIBLE_TRAVEL"
    GPS_TIME_DIFFERS = "GPS_TIME_DIFFERS"
    EDITING_SOFTWARE = "EDITING_SOFTWARE"
    SCREENSHOT_LIKE = "SCREENSHOT_LIKE"
    NO_CAMERA = "NO_CAMERA"

    NOT_AN_INVOICE = "NOT_AN_INVOICE"
    SPECIAL_INVOICE = "SPECIAL_INVOICE"
    INVOICE_TOTAL_UNREADABLE = "INVOICE_TOTAL_UNREADABLE"
    INVOICE_CURRENCY_UNREADABLE = "INVOICE_CURRENCY_UNREADABLE"
    AMOUNT_DIFFERS = "AMOUNT_DIFFERS"
    MILESTONE_AMOUNT_DIFFERS = "MILESTONE_AMOUNT_DIFFERS"
    CURRENCY_DIFFERS = "CURRENCY_DIFFERS"
    IBAN_DIFFERS = "IBAN_DIFFERS"
    IBAN_INVALID = "IBAN_INVALID"
    DATE_OUT_OF_RANGE = "DATE_OUT_OF_RANGE"
    SUPPLIER_DIFFERS = "SUPPLIER_DIFFERS"
    INVOICE_NUMBER_DIFFERS = "INVOICE_NUMBER_DIFFERS"
    REUSED_INVOICE_NUMBER = "REUSED_INVOICE_NUMBER"
    XML_DIFFERS_FROM_PAGE = "XML_DIFFERS_FROM_PAGE"
    COUNTRY_DIFFERS = "COUNTRY_DIFFERS"
    VALUE_UNSURE = "VALUE_UNSURE"
    CLAIM_DIFFERS = "CLAIM_DIFFERS"
    CLAIM_UNREADABLE = "CLAIM_UNREADABLE"
    PAGES_NOT_READ = "PAGES_NOT_READ"
    XML_UNREADABLE = "XML_UNREADABLE"
    XML_AMBIGUOUS = "XML_AMBIGUOUS"
    ATTACHMENTS_NOT_READ = "ATTACHMENTS_NOT_READ"
    OCR_OFF = "OCR_OFF"
    OCR_FAILED = "OCR_FAILED"
    OCR_UNAVAILABLE = "OCR_UNAVAILABLE"
    PAGE_NOT_RENDERED = "PAGE_NOT_RENDERED"
    HIDDEN_TEXT = "HIDDEN_TEXT"
    SEVERAL_IBANS = "SEVERAL_IBANS"
    SEVERAL_INVOICES = "SEVERAL_INVOICES"
    ENGINES_DISAGREE = "ENGINES_DISAGREE"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    DOCUMENT_UNREADABLE = "DOCUMENT_UNREADABLE"
    DOCUMENT_NOT_READ = "DOCUMENT_NOT_READ"


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
