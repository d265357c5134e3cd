"""Every action that the audit trail knows, in one published list.

Each app appends to its own section. A name is `<noun>.<what happened>` in the past tense and is
never changed or reused: entries that hold it are never rewritten.
"""

from enum import StrEnum


class Action(StrEnum):
    """What an audit entry says was done."""

    # --- audit ------------------------------------------------------------------------------
    ALERT_RAISED = "alert.raised"
    JOB_LOCK_ACQUIRED = "job.lock_acquired"
    JOB_LOCK_REFRESHED = "job.lock_refreshed"
    JOB_LOCK_RELEASED = "job.lock_released"
    JOB_LOCK_TAKEN_OVER = "job.lock_taken_over"
    JOB_LOCK_LOST = "job.lock_lost"
    SWITCH_SET = "switch.set"

    # --- accounts ---------------------------------------------------------------------------
    ACCESS_REFUSED = "access.refused"
    STAFF_LOGGED_IN = "staff.logged_in"
    STAFF_LOGIN_REFUSED = "staff.login_refused"
    STAFF_ROLE_SET = "staff.role_set"
    STAFF_PASSWORD_SET = "staff.password_set"  # noqa: S105 - an action, not a password
    USER_CREATED = "user.created"
    USER_UPDATED = "user.updated"
    USER_DEACTIVATED = "user.deactivated"
    USER_REACTIVATED = "user.reactivated"
    USER_MANAGER_SET = "user.manager_set"
    USER_READ = "user.read"
    USER_STRIPE_ACCOUNT_SET = "user.stripe_account_set"
    APIKEY_ISSUED = "apikey.issued"
    APIKEY_ROTATED = "apikey.rotated"
    APIKEY_REVOKED = "apikey.revoked"
    APIKEY_USED = "apikey.used"
    APIKEY_REFUSED = "apikey.refused"
    APIKEY_LEGACY_USED = "apikey.legacy_used"
    APPROVAL_GIVEN = "approval.given"
    APPROVAL_REPLACED = "approval.replaced"
    APPROVAL_GRANTED = "approval.granted"
    APPROVAL_WITHDRAWN = "approval.withdrawn"

    # --- uploads ----------------------------------------------------------------------------
    UPLOAD_RECEIVED = "upload.received"
    UPLOAD_PURGED = "upload.purged"

    # --- payments ---------------------------------------------------------------------------
    PAYMENT_REQUESTED = "payment.requested"
    PAYMENT_SENT = "payment.sent"
    PAYMENT_SETTLED = "payment.settled"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_RETURNED = "payment.returned"
    PAYMENT_RETRIED = "payment.retried"
    PAYMENT_HELD = "payment.held"
    PAYMENT_HOLD_LIFTED = "payment.hold_lifted"
    PAYMENT_SURPLUS_BOOKED = "payment.surplus_booked"
    FUNDING_CREATED = "funding.created"
    FUNDING_SUCCEEDED = "funding.succeeded"
    FUNDING_FAILED = "funding.failed"
    PSP_EVENT_REPROCESSED = "psp_event.reprocessed"
    PAYMENT_ROUTED = "payment.routed"
    DESTINATION_ADDED = "destination.added"
    DESTINATION_VERIFIED = "destination.verified"
    DESTINATION_DEACTIVATED = "destination.deactivated"
    BATCH_COLLECTED = "batch.collected"
    BATCH_APPROVED = "batch.approved"
    BATCH_CANCELLED = "batch.cancelled"
    BATCH_EXPORTED = "batch.exported"
    BATCH_FILE_READ = "batch_file.read"
    BATCH_IMPORTED = "batch.imported"
    BATCH_CLOSED = "batch.closed"
    BATCH_STATEMENT_TAKEN = "batch.statement_taken"

    # --- escrow -----------------------------------------------------------------------------
    ESCROW_CREATED = "escrow.created"
    ESCROW_READ = "escrow.read"
    ESCROW_FUNDED = "escrow.funded"
    ESCROW_DELIVERED = "escrow.delivered"
    ESCROW_DISPUTED = "escrow.disputed"
    ESCROW_RELEASED = "escrow.released"
    ESCROW_REFUNDED = "escrow.refunded"
    ESCROW_PARTLY_REFUNDED = "escrow.partly_refunded"
    ESCROW_CANCELLED = "escrow.cancelled"
    ESCROW_DEADLINE_PAUSED = "escrow.deadline_paused"
    ESCROW_HOLD_ENDING = "escrow.hold_ending"
    MILESTONE_CREATED = "milestone.created"
    MILESTONE_SUBMITTED = "milestone.submitted"
    MILESTONE_REJECTED = "milestone.rejected"
    MILESTONE_APPROVED = "milestone.approved"
    MILESTONE_CANCELLED = "milestone.cancelled"
    MILESTONE_PAYING = "milestone.paying"
    MILESTONE_PAID = "milestone.paid"
    MILESTONE_PAYOUT_FAILED = "milestone.payout_failed"
    MILESTONE_PAYOUT_RETURNED = "milestone.payout_returned"
    DEPOSIT_REPORTED = "deposit.reported"
    DEPOSIT_CONFIRMED = "deposit.confirmed"
    DEPOSIT_REJECTED = "deposit.rejected"
    DEPOSIT_EXPIRED = "deposit.expired"

    # --- proofs -----------------------------------------------------------------------------
    PROOF_SUBMITTED = "proof.submitted"
    PROOF_REFUSED = "proof.refused"
    PROOF_APPROVED = "proof.approved"
    PROOF_REJECTED = "proof.rejected"
    PROOF_INFO_REQUESTED = "proof.info_requested"
    PROOF_READ = "proof.read"
    PROOF_FILE_READ = "proof_file.read"
