"""The words of a proof: its kinds, its states, and why a person must look."""

from collections.abc import Mapping
from enum import StrEnum


class ProofType(StrEnum):
    """What a proof is said to be. PDF is any document that comes as one."""

    PHOTO = "PHOTO"
    INVOICE = "INVOICE"
    CONTRACT = "CONTRACT"
    DOCUMENT = "DOCUMENT"
    PDF = "PDF"


class ProofStatus(StrEnum):
    """PENDING waits for a decision; the others are decisions and final."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class Processing(StrEnum):
    """How far the machine's part is. While it is neither done nor failed nobody decides."""

    QUEUED = "queued"
    READING = "reading"
    CHECKING = "checking"
    ADVISING = "advising"
    DONE = "done"
    FAILED = "failed"


class Derivative(StrEnum):
    """The picture made for showing: none for what is no image, wanted until it is made."""

    NONE = "none"
    WANTED = "wanted"
    DONE = "done"
    FAILED = "failed"


class ReviewReason(StrEnum):
    """Why a proof waits for a person, beyond the codes of its findings."""

    NO_FILE = "NO_FILE"
    DOCUMENT = "DOCUMENT"
    REUSED_FILE = "REUSED_FILE"
    RESUBMITTED_FILE = "RESUBMITTED_FILE"
    SENDER_VALIDATES = "SENDER_VALIDATES"
    FENCE_NOT_SET = "FENCE_NOT_SET"
    AGE_LIMIT_NOT_SET = "AGE_LIMIT_NOT_SET"
    CAME_BY_LINK = "CAME_BY_LINK"
    PARTIES_RELATED = "PARTIES_RELATED"
    REJECTED_BEFORE = "REJECTED_BEFORE"
    AMOUNT_ABOVE_LIMIT = "AMOUNT_ABOVE_LIMIT"
    DAY_LIMIT_REACHED = "DAY_LIMIT_REACHED"
    DRAWN_FOR_REVIEW = "DRAWN_FOR_REVIEW"
    MACHINE_APPROVAL_OFF = "MACHINE_APPROVAL_OFF"
    AI_UNAVAILABLE = "AI_UNAVAILABLE"
    AI_ADVICE = "AI_ADVICE"
    ESCROW_NOT_PAYABLE = "ESCROW_NOT_PAYABLE"
    MORE_WAS_ASKED = "MORE_WAS_ASKED"


class AdviceStatus(StrEnum):
    """How one try to get the advisor's word stands; the ends never change."""

    RUNNING = "running"
    ADVISED = "advised"
    MISSED = "missed"


class BreakerState(StrEnum):
    """closed: the model is asked; open: it is not; half_open: one call tries whether it works."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


STATUS_TRANSITIONS: Mapping[ProofStatus, frozenset[ProofStatus]] = {
    ProofStatus.PENDING: frozenset({ProofStatus.APPROVED, ProofStatus.REJECTED}),
    ProofStatus.APPROVED: frozenset(),
    ProofStatus.REJECTED: frozenset(),
}

PROCESSING_TRANSITIONS: Mapping[Processing, frozenset[Processing]] = {
    Processing.QUEUED: frozenset({Processing.READING, Processing.FAILED}),
    Processing.READING: frozenset({Processing.CHECKING, Processing.QUEUED, Processing.FAILED}),
    Processing.CHECKING: frozenset({Processing.ADVISING, Processing.DONE, Processing.FAILED}),
    Processing.ADVISING: frozenset({Processing.DONE, Processing.FAILED}),
    Processing.DONE: frozenset(),
    Processing.FAILED: frozenset({Processing.QUEUED}),
}

DERIVATIVE_TRANSITIONS: Mapping[Derivative, frozenset[Derivative]] = {
    Derivative.NONE: frozenset(),
    Derivative.WANTED: frozenset({Derivative.DONE, Derivative.FAILED}),
    Derivative.DONE: frozenset(),
    Derivative.FAILED: frozenset(),
}

ADVICE_TRANSITIONS: Mapping[AdviceStatus, frozenset[AdviceStatus]] = {
    AdviceStatus.RUNNING: frozenset({AdviceStatus.ADVISED, AdviceStatus.MISSED}),
    AdviceStatus.ADVISED: frozenset(),
    AdviceStatus.MISSED: frozenset(),
}

BREAKER_TRANSITIONS: Mapping[BreakerState, frozenset[BreakerState]] = {
    BreakerState.CLOSED: frozenset({BreakerState.OPEN}),
    BreakerState.OPEN: frozenset({BreakerState.HALF_OPEN}),
    BreakerState.HALF_OPEN: frozenset({BreakerState.CLOSED, BreakerState.OPEN}),
}

LIVE_STATUSES = frozenset({ProofStatus.PENDING, ProofStatus.APPROVED})
# Whose machine part runs; a proof that is neither waits for no machine.
PROCESSED = frozenset({Processing.DONE, Processing.FAILED})
DOCUMENT_KINDS = frozenset({ProofType.INVOICE, ProofType.CONTRACT, ProofType.DOCUMENT})
MACHINE_ACTOR = "system:machine-approval"
CLOSE_ACTOR = "system:close"
# Who sets a proof aside when what more was asked for has come.
ANSWER_ACTOR = "system:answer"
