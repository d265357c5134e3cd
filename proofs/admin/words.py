"""The console's words and colours for codes."""

from collections.abc import Mapping
from typing import Any

from proofs.checks.findings import FindingCode
from proofs.models import Proof
from proofs.selectors import is_processing
from proofs.states import Processing, ProofStatus, ReviewReason

# Every code that can hold a proof, in the order in which the queue's filter offers them.
WORDS: Mapping[str, str] = {
    ReviewReason.NO_FILE: "no file",
    ReviewReason.REUSED_FILE: "file of other parties",
    FindingCode.REUSED_IMAGE: "picture seen before",
    FindingCode.REUSED_SHOT: "photo seen before",
    FindingCode.IMPOSSIBLE_TRAVEL: "impossible travel",
    ReviewReason.RESUBMITTED_FILE: "rejected file again",
    FindingCode.NOTHING_TO_SEE: "nothing to see",
    FindingCode.MISSING_GPS: "no position",
    FindingCode.GEOFENCE_UNCERTAIN: "position vague",
    FindingCode.MISSING_EXIF_TIMESTAMP: "no capture time",
    FindingCode.TIMEZONE_UNKNOWN: "time zone unknown",
    FindingCode.NOT_AN_INVOICE: "no invoice",
    FindingCode.SPECIAL_INVOICE: "special invoice",
    FindingCode.REUSED_INVOICE_NUMBER: "invoice number seen before",
    FindingCode.XML_DIFFERS_FROM_PAGE: "data differs from page",
    FindingCode.HIDDEN_TEXT: "hidden text",
    FindingCode.AMOUNT_DIFFERS: "other amount",
    FindingCode.MILESTONE_AMOUNT_DIFFERS: "other amount than the milestone",
    FindingCode.CURRENCY_DIFFERS: "other currency",
    FindingCode.IBAN_DIFFERS: "other account",
    FindingCode.IBAN_INVALID: "account number wrong",
    FindingCode.SEVERAL_IBANS: "several accounts",
    FindingCode.SEVERAL_INVOICES: "several invoices",
    FindingCode.SUPPLIER_DIFFERS: "other supplier",
    FindingCode.INVOICE_NUMBER_DIFFERS: "other invoice number",
    FindingCode.DATE_OUT_OF_RANGE: "other date",
    FindingCode.COUNTRY_DIFFERS: "other country",
    FindingCode.VALUE_UNSURE: "value hard to read",
    FindingCode.CLAIM_DIFFERS: "sender's word differs",
    FindingCode.CLAIM_UNREADABLE: "sender's word unreadable",
    FindingCode.INVOICE_TOTAL_UNREADABLE: "total unreadable",
    FindingCode.INVOICE_CURRENCY_UNREADABLE: "currency unreadable",
    FindingCode.DOCUMENT_UNREADABLE: "document unreadable",
    FindingCode.DOCUMENT_NOT_READ: "machine gave up",
    FindingCode.PAGES_NOT_READ: "pages not read",
    FindingCode.PAGE_NOT_RENDERED: "page not drawn",
    FindingCode.XML_UNREADABLE: "data in file damaged",
    FindingCode.XML_AMBIGUOUS: "two sets of data in file",
    FindingCode.ENGINES_DISAGREE: "two readings differ",
    FindingCode.OCR_FAILED: "OCR failed",
    FindingCode.OCR_UNAVAILABLE: "OCR not working",
    FindingCode.OCR_OFF: "OCR off",
    ReviewReason.DOCUMENT: "document",
    ReviewReason.SENDER_VALIDATES: "the sender decides",
    ReviewReason.AMOUNT_ABOVE_LIMIT: "large amount",
    ReviewReason.DAY_LIMIT_REACHED: "day's sum reached",
    ReviewReason.FENCE_NOT_SET: "no place agreed",
    ReviewReason.AGE_LIMIT_NOT_SET: "no age limit agreed",
    ReviewReason.PARTIES_RELATED: "related parties",
    ReviewReason.REJECTED_BEFORE: "one was rejected before",
    ReviewReason.CAME_BY_LINK: "came by link",
    ReviewReason.DRAWN_FOR_REVIEW: "drawn sample",
    ReviewReason.MACHINE_APPROVAL_OFF: "machine switched off",
    ReviewReason.AI_ADVICE: "advisor's word",
    ReviewReason.AI_UNAVAILABLE: "no advice in time",
    ReviewReason.ESCROW_NOT_PAYABLE: "escrow could not pay then",
    ReviewReason.MORE_WAS_ASKED: "more was asked for",
}
# What may be fraud is said louder than what is merely missing.
_LOUD = frozenset(
    {ReviewReason.REUSED_FILE, ReviewReason.RESUBMITTED_FILE, ReviewReason.NO_FILE}
) | {
    FindingCode.REUSED_IMAGE,
    FindingCode.REUSED_SHOT,
    FindingCode.IMPOSSIBLE_TRAVEL,
    FindingCode.REUSED_INVOICE_NUMBER,
    FindingCode.XML_DIFFERS_FROM_PAGE,
    FindingCode.HIDDEN_TEXT,
    FindingCode.IBAN_DIFFERS,
}
_SPANS = {"_minutes": "", "_minutes_min": " at least", "_minutes_max": " at most"}
_NAMES = {"retry": "worth another reading"}
_QUIET = frozenset(
    {
        ReviewReason.DOCUMENT,
        ReviewReason.SENDER_VALIDATES,
        ReviewReason.DRAWN_FOR_REVIEW,
        ReviewReason.MACHINE_APPROVAL_OFF,
        ReviewReason.AMOUNT_ABOVE_LIMIT,
        ReviewReason.DAY_LIMIT_REACHED,
        ReviewReason.FENCE_NOT_SET,
        ReviewReason.AGE_LIMIT_NOT_SET,
    }
)


def words(code: str) -> str:
    """A code as a person says it."""
    return WORDS.get(code, code.replace("_", " ").lower())


def figure(name: str, value: object) -> tuple[str, str]:
    """A figure of a finding as a label and a value with its unit."""
    if isinstance(value, bool):
        return _NAMES.get(name, name.replace("_", " ")), "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, int) for item in value):
        return name.replace("_", " "), ", ".join(map(str, value))
    if name.endswith("_m"):
        return name.removesuffix("_m").replace("_", " "), f"{value} m"
    for ending, bound in _SPANS.items():
        if name.endswith(ending) and isinstance(value, int | float):
            return name.removesuffix(ending).replace("_", " "), f"{span(value)}{bound}"
    return name.replace("_", " "), str(value)


def span(minutes: float) -> str:
    """A length of time as a person says it: in minutes, in hours, or in days from two on.

    Below zero where a clock was ahead.
    """
    sign, length = ("-" if minutes < 0 else ""), abs(minutes)
    if length < 60:
        return f"{sign}{length:g} min"
    hours, rest = divmod(int(length), 60)
    return f"{sign}{hours} h {rest:02d} min" if hours < 48 else f"{sign}{hours // 24} days"


def likeness(match: Mapping[str, Any]) -> str:
    """How a picture or photo that was sent before is like one, or contradicts it."""
    if match.get("turned"):
        # Its bits are counted from what was worked out: beside those of a copy they mislead.
        return "mirrored or turned"
    if match.get("distance_bits") is not None:
        return f"{match['distance_bits']} bits apart"
    if match.get("distance_km") is not None:
        between = span(match["minutes_between"])
        return f"{match['distance_km']} km away, {between} between them"
    return ""


def tone_of(code: str) -> str:
    """The class of the label of a reason."""
    if code in _LOUD:
        return "hard"
    return "" if code in _QUIET else "soft"


def decision_tag(proof: Proof) -> tuple[str, str]:
    """The class and the words of the label that says how a proof stands."""
    if proof.status == ProofStatus.APPROVED:
        return "good", "approved by machine" if proof.is_machine_approved else "approved"
    if proof.status == ProofStatus.REJECTED:
        return ("", "replaced") if proof.is_replaced else ("bad", "rejected")
    if proof.processing == Processing.FAILED:
        return "waiting", "not read"
    if is_processing(proof):
        return "waiting", "being read"
    if proof.approvals_given:
        return "waiting", f"{proof.approvals_given} of 2 approved"
    return "waiting", "asked for more" if proof.info_requested_at else "waiting"
