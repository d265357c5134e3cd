"""What the payments app refuses."""

from kobatela.kernel.errors import DomainError, InvalidState, Kind


class PaymentNotFound(DomainError):
    """No such payment for this caller."""

    code = "PAYMENT_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such payment."


class PaymentReturned(InvalidState):
    """The payment came back after it had been paid; another one stands for it now."""

    code = "PAYMENT_RETURNED"
    message = "This payment was returned; a new one took its place."


class PaymentOnHold(DomainError):
    """Staff must look at the payment before it may be sent."""

    code = "PAYMENT_ON_HOLD"
    kind = Kind.CONFLICT
    message = "This payment is on hold."


class PaymentTakenBack(InvalidState):
    """The order was taken back; its money is in the escrow again."""

    code = "PAYMENT_TAKEN_BACK"
    message = "This payment was taken back."


class PaymentInTransit(InvalidState):
    """Nobody knows yet whether the money has arrived; only then it can be asked back.

    retry_after_s: when that may be known, None where nobody can say.
    """

    code = "PAYMENT_IN_TRANSIT"
    message = "The payment is on its way; wait for its outcome."
    passing = True

    def __init__(self, retry_after_s: int | None = None) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class PaymentNotGivenBack(InvalidState):
    """The money has arrived. That it was given back must be said by somebody who may."""

    code = "PAYMENT_NOT_GIVEN_BACK"
    message = "The money has arrived; support confirms when it was given back."


class PaymentMayBeKnown(InvalidState):
    """Only an old order that the PSP never confirmed can be one that it never got."""

    code = "PAYMENT_MAY_BE_KNOWN"
    message = "The PSP has this payment, or may still get it."


class OwnPaymentForbidden(DomainError):
    """Nobody says of a payment in which they have a stake what became of it."""

    code = "OWN_PAYMENT_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "You, or somebody close to you, is a party of this payment."


class PaymentNotExternal(InvalidState):
    """Only a refund that a collector pays itself is confirmed by hand."""

    code = "PAYMENT_NOT_EXTERNAL"
    message = "The PSP reports this payment; it is not confirmed by hand."


class ConfirmationForbidden(DomainError):
    """The key may see the payment, but may not say that it was paid."""

    code = "CONFIRMATION_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "Only the collector's own key with may_confirm_deposits, or support, confirms this."


class PspUnavailable(DomainError):
    """The PSP did not answer, or not in a way that settles the matter. Try again."""

    code = "PSP_UNAVAILABLE"
    kind = Kind.UNAVAILABLE
    message = "The payment provider does not answer; try again."
    passing = True
    retry_after_s = 5


class PspNotConfigured(DomainError):
    """This installation works with people at a bank, not with a PSP that collects."""

    code = "PSP_NOT_CONFIGURED"
    kind = Kind.UNAVAILABLE
    message = "No payment provider that collects money is configured."


class StripeDisabled(DomainError):
    """This installation does not work with Stripe."""

    code = "STRIPE_DISABLED"
    kind = Kind.UNAVAILABLE
    message = "Stripe is not enabled here."


class StripeConnectDisabled(DomainError):
    """This installation pays nobody through Stripe."""

    code = "STRIPE_CONNECT_DISABLED"
    kind = Kind.UNAVAILABLE
    message = "Connected accounts of Stripe are not enabled here."


class PspRefused(DomainError):
    """The PSP said no; it will say no again."""

    code = "PSP_REFUSED"
    kind = Kind.CONFLICT
    message = "The payment provider refused this."


class ChargebackImpossible(DomainError):
    """The PSP reports a chargeback of more than the charge brought, or in another currency."""

    code = "CHARGEBACK_IMPOSSIBLE"
    kind = Kind.CONFLICT
    message = "The charge did not bring what is said to be taken back."


class OwnDebtForbidden(DomainError):
    """Nobody writes off what they, or somebody close to them, owe."""

    code = "OWN_DEBT_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "You, or somebody close to you, owes this."


class EventNotFound(DomainError):
    """No such stored PSP event."""

    code = "PSP_EVENT_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such event."


class WebhookSignatureMissing(DomainError):
    """X-PSP-Timestamp or X-PSP-Signature is not there."""

    code = "WEBHOOK_SIGNATURE_MISSING"
    kind = Kind.UNAUTHENTICATED
    message = "The signature headers are missing."


class WebhookSignatureInvalid(DomainError):
    """No active secret makes this signature."""

    code = "WEBHOOK_SIGNATURE_INVALID"
    kind = Kind.UNAUTHENTICATED
    message = "The signature is not valid."


class WebhookTimestampInvalid(DomainError):
    """The timestamp is not 1 to 12 digits."""

    code = "WEBHOOK_TIMESTAMP_INVALID"
    kind = Kind.UNAUTHENTICATED
    message = "The timestamp must be whole seconds since 1970."


class WebhookTimestampDrift(DomainError):
    """The timestamp is too far from now, in either direction."""

    code = "WEBHOOK_TIMESTAMP_DRIFT"
    kind = Kind.UNAUTHENTICATED
    message = "The timestamp is too far from the present."


class MissingEventId(DomainError):
    """The signed body has neither `id` nor `event_id`."""

    code = "MISSING_EVENT_ID"
    kind = Kind.MALFORMED
    message = "The body has no event id."


class WebhookBodyInvalid(DomainError):
    """The signed body is not a JSON object of this shape."""

    code = "WEBHOOK_BODY_INVALID"
    kind = Kind.MALFORMED
    message = "The body is not a valid event."


class WebhookBodyTooLarge(DomainError):
    """The body is larger than any event."""

    code = "WEBHOOK_BODY_TOO_LARGE"
    kind = Kind.TOO_LARGE
    message = "The body is too large for an event."


class WebhookSecretNotConfigured(DomainError):
    """There is no active secret, so nothing can be verified."""

    code = "WEBHOOK_SECRET_NOT_CONFIGURED"
    kind = Kind.UNAVAILABLE
    message = "No webhook secret is configured."


class DestinationNotFound(DomainError):
    """No such destination in force for this caller."""

    code = "DESTINATION_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such destination."


class DestinationExists(InvalidState):
    """The account is the user's current one of its kind and currency already."""

    code = "DESTINATION_EXISTS"
    message = "This account is the current one already."


class FundsMoveNotFound(DomainError):
    """No such move of funds for this caller."""

    code = "FUNDS_MOVE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such move of funds."


class FundsReferenceUsed(DomainError):
    """A move of this bank reference waits, or was booked."""

    code = "FUNDS_REFERENCE_USED"
    kind = Kind.CONFLICT
    message = "There is a move of this bank reference already."


class FundsNotThere(DomainError):
    """The source has less than is said to have come from it; `details.free` tells what it has."""

    code = "FUNDS_NOT_THERE"
    kind = Kind.CONFLICT
    message = "By our books the source does not have so much."


class OwnFundsForbidden(DomainError):
    """Nobody says of their own money, or of that of somebody close, where it is."""

    code = "OWN_FUNDS_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "You, or somebody close to you, is the one from whom this money came, or who got it."


class BatchNotFound(DomainError):
    """No such batch for this caller."""

    code = "BATCH_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such batch."


class NothingToCollect(InvalidState):
    """No payment of this currency waits for a batch to accounts of this kind."""

    code = "NOTHING_TO_COLLECT"
    message = "No payment waits for such a batch."


class OwnBatchForbidden(DomainError):
    """Nobody approves a batch, or tells how it ended, who has a stake in one of its payments."""

    code = "OWN_BATCH_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "You, or somebody close to you, is a party of a payment in this batch."


class PayoutsPaused(DomainError):
    """The switch for payouts is off; nothing is sent meanwhile."""

    code = "PAYOUTS_PAUSED"
    kind = Kind.CONFLICT
    message = "Payouts are paused."
    passing = True


class NothingToExport(InvalidState):
    """Every payment of the batch was held, or lost its destination, since it was collected."""

    code = "NOTHING_TO_EXPORT"
    message = "None of the payments may be sent now; cancel the batch."


class BatchFileChanged(DomainError):
    """The file would not be the one that was released first. Staff was alerted."""

    code = "BATCH_FILE_CHANGED"
    kind = Kind.CONFLICT
    message = "The file differs from the one that was released."


class StatementInvalid(DomainError):
    """The statement is not a CSV file with the columns that are needed."""

    code = "STATEMENT_INVALID"
    kind = Kind.INVALID
    message = "The file is not a statement of a batch."


class StatementTooLarge(DomainError):
    """The statement has more bytes or rows than any batch needs."""

    code = "STATEMENT_TOO_LARGE"
    kind = Kind.TOO_LARGE
    message = "The file is too large for a statement."


class DifferenceNotFound(DomainError):
    """No such difference, or not for this caller."""

    code = "DIFFERENCE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such difference."
