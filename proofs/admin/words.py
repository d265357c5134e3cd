"""The console's words and colours for codes."""

from collections.abc import Mapping

from proofs.checks.findings import FindingCode
from proofs.models import Proof
from proofs.states import ProofStatus, ReviewReason

# Every code that can hold a proof, in the order in which the queue's filter offers them.
WORDS: Mapping[str, str] = {
    ReviewReason.NO_FILE: "no file",
    ReviewReason.REUSED_FILE: "file of other parties",
    FindingCode.REUSED_IMAGE: "picture seen before",
    ReviewReason.RESUBMITTED_FILE: "rejected file again",
    FindingCode.MISSING_GPS: "no position",
    FindingCode.GEOFENCE_UNCERTAIN: "position vague",
    FindingCode.MISSING_EXIF_TIMESTAMP: "no capture time",
    FindingCode.TIMEZONE_UNKNOWN: "time zone unknown",
    ReviewReason.DOCUMENT: "document",
    ReviewReason.SENDER_VALIDATES: "the sender decides",
    ReviewReason.AMOUNT_ABOVE_LIMIT: "large amount",
    ReviewReason.DAY_LIMIT_REACHED: "day's sum reached",
    ReviewReason.FENCE_NOT_SET: "no place agreed",
    ReviewReason.AGE_LIMIT_NOT_SET: "no age limit agreed",
    ReviewReason.PARTIES_RELATED: "related parties",
    ReviewReason.CAME_BY_LINK: "came by link",
    ReviewReason.DRAWN_FOR_REVIEW: "drawn sample",
    ReviewReason.MACHINE_APPROVAL_OFF: "machine switched off",
    ReviewReason.AI_ADVICE: "advisor's word",
    ReviewReason.AI_UNAVAILABLE: "no advice in time",
    ReviewReason.ESCROW_NOT_PAYABLE: "escrow could not pay then",
}
# What may be fraud is said louder than what is merely missing.
_LOUD = frozenset(
    {ReviewReason.REUSED_FILE, ReviewReason.RESUBMITTED_FILE, ReviewReason.NO_FILE}
) | {FindingCode.REUSED_IMAGE}
_UNITS = {
    "_m": "m",
    "_minutes": "min",
    "_minutes_min": "min at least",
    "_minutes_max": "min at most",
}
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
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return name.removesuffix(ending).replace("_", " "), f"{value} {unit}"
    return name.replace("_", " "), str(value)


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
        return "bad", "rejected"
    if proof.approvals_given:
        return "waiting", f"{proof.approvals_given} of 2 approved"
    return "waiting", "asked for more" if proof.info_requested_at else "waiting"
