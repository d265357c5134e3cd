"""What alerts can be about, how bad they are, and what has become of them."""

from enum import StrEnum


class AlertType(StrEnum):
    """What happened. Appended to by every app; a name is never reused for something else."""

    UNAUTHORIZED_TRANSFER_ATTEMPT = "UNAUTHORIZED_TRANSFER_ATTEMPT"
    PAYOUT_FAILED = "PAYOUT_FAILED"
    PAYOUT_UNKNOWN = "PAYOUT_UNKNOWN"
    PAYOUT_RETURNED = "PAYOUT_RETURNED"
    RECONCILIATION_MISMATCH = "RECONCILIATION_MISMATCH"
    COVERAGE_SHORTFALL = "COVERAGE_SHORTFALL"
    LEDGER_CHECK_FAILED = "LEDGER_CHECK_FAILED"
    DEPOSIT_BEYOND_NEED = "DEPOSIT_BEYOND_NEED"
    PSP_EVENT_UNMATCHED = "PSP_EVENT_UNMATCHED"
    PSP_EVENT_CONTRADICTS = "PSP_EVENT_CONTRADICTS"
    PSP_HOLD_ENDING = "PSP_HOLD_ENDING"
    AI_BREAKER_OPEN = "AI_BREAKER_OPEN"
    OCR_FAILING = "OCR_FAILING"
    JOB_FAILED = "JOB_FAILED"
    JOB_LATE = "JOB_LATE"
    JOB_LOCK_LOST = "JOB_LOCK_LOST"
    JOB_LOCK_STALE = "JOB_LOCK_STALE"
    SEAL_LATE = "SEAL_LATE"
    DEADLINE_PAUSED = "DEADLINE_PAUSED"
    DISPUTE_OPENED = "DISPUTE_OPENED"
    KEY_MAY_CONFIRM_DEPOSITS = "KEY_MAY_CONFIRM_DEPOSITS"
    MANAGER_SET = "MANAGER_SET"


class Severity(StrEnum):
    """How soon somebody must look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlertStatus(StrEnum):
    """Whether somebody has looked."""

    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
