"""What controlled spending refuses, and why."""

from kobatela.kernel.errors import DomainError, InvalidState, Kind, ValidationFailed


class CategoryNotFound(DomainError):
    """No such category."""

    code = "CATEGORY_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such category."


class MerchantNotFound(DomainError):
    """No such merchant."""

    code = "MERCHANT_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such merchant."


class UsageNotFound(DomainError):
    """No such permission, or one that was taken back."""

    code = "ALLOWED_USAGE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such permission."


class PayeeNotFound(DomainError):
    """No such payee that the caller may see, or one that was taken back."""

    code = "ALLOWED_PAYEE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such payee."


class MandateNotFound(DomainError):
    """No such mandate that the caller may see."""

    code = "MANDATE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such mandate."


class PurchaseNotFound(DomainError):
    """No such purchase that the caller may see."""

    code = "PURCHASE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such purchase."


class SpendingNotFound(DomainError):
    """No such payment to a payee that the caller may see."""

    code = "SPENDING_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such payment to a payee."


class SpendingTakenBack(InvalidState):
    """The order was cancelled and its money put back; that happens once."""

    code = "SPENDING_TAKEN_BACK"
    message = "The payment was taken back."


class SpendingPaid(InvalidState):
    """The payee has the money; only what was not paid is taken back."""

    code = "SPENDING_PAID"
    message = "The payee has received the money."


class CategoryExists(DomainError):
    """Another category has this code."""

    code = "CATEGORY_EXISTS"
    kind = Kind.CONFLICT
    message = "There is a category with this code."


class MerchantExists(DomainError):
    """Another merchant has this name."""

    code = "MERCHANT_EXISTS"
    kind = Kind.CONFLICT
    message = "There is a merchant with this name."


class PayeeAlreadyAllowed(DomainError):
    """The escrow has a payee with this reference; `details.id` is theirs."""

    code = "PAYEE_ALREADY_ALLOWED"
    kind = Kind.CONFLICT
    message = "The escrow has a payee with this reference."


class ActiveMandateExists(DomainError):
    """The sender has given this beneficiary a mandate in this currency; `details.id` is its."""

    code = "ACTIVE_MANDATE_EXISTS"
    kind = Kind.CONFLICT
    message = "There is an active mandate between these two in this currency."


class MandateExpiresInPast(ValidationFailed):
    """A mandate that would be over before it begins."""

    code = "MANDATE_EXPIRES_IN_PAST"
    message = "The mandate would have expired already."


class CategoryMismatch(ValidationFailed):
    """The purchase's category is the merchant's own, whatever the buyer calls it."""

    code = "CATEGORY_MISMATCH"
    message = "The merchant sells another category."


class SpendRoleForbidden(DomainError):
    """The caller sees it, but stands on the other side of this command."""

    code = "SPEND_ROLE_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "Only the sender's side may do this."


class OwnSpendForbidden(DomainError):
    """Nobody with a stake decides over somebody else's money as staff or in another's name."""

    code = "OWN_SPEND_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "Nobody decides for others where they have a stake."


class MerchantIsParty(DomainError):
    """The merchant's money would go to the sender or the beneficiary of the purchase, or to who is
    close to one of them."""

    code = "MERCHANT_IS_PARTY"
    kind = Kind.FORBIDDEN
    message = "Nobody buys from themselves, nor from who is close to them."


class PurchaseAlreadyRefunded(InvalidState):
    """The purchase was given back."""

    code = "PURCHASE_ALREADY_REFUNDED"
    message = "The purchase was refunded."


class ReceiptExists(DomainError):
    """A purchase has one receipt; another does not take its place."""

    code = "RECEIPT_EXISTS"
    kind = Kind.CONFLICT
    message = "The purchase has a receipt."


class ReceiptNotFound(DomainError):
    """The purchase has no receipt."""

    code = "RECEIPT_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "The purchase has no receipt."


# --- "May this be spent?": every refusal names its rule and what is left of each limit ------------


class MandateRequired(DomainError):
    """No mandate of this sender for this beneficiary in this currency is in force."""

    code = "MANDATE_REQUIRED"
    kind = Kind.FORBIDDEN
    message = "No mandate allows this."


class MandateMerchantForbidden(DomainError):
    """The mandate is for another merchant."""

    code = "MANDATE_MERCHANT_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "The mandate does not allow this merchant."


class MandateCategoryForbidden(DomainError):
    """The mandate is for another category."""

    code = "MANDATE_CATEGORY_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "The mandate does not allow this category."


class UnauthorizedUsage(DomainError):
    """The merchant is not certified, and the beneficiary was not allowed to buy from them."""

    code = "UNAUTHORIZED_USAGE"
    kind = Kind.FORBIDDEN
    message = "The beneficiary may not buy from this merchant."


class MerchantInactive(DomainError):
    """The merchant was taken out of the catalogue."""

    code = "MERCHANT_INACTIVE"
    kind = Kind.FORBIDDEN
    message = "Nothing is bought from this merchant any more."


class PayeeInactive(DomainError):
    """The user who would be paid, as a payee or for a merchant, was deactivated."""

    code = "PAYEE_INACTIVE"
    kind = Kind.FORBIDDEN
    message = "Who would be paid is not active."


class HourlyLimitReached(DomainError):
    """The mandate allows so many purchases within an hour, and no more."""

    code = "HOURLY_LIMIT_REACHED"
    kind = Kind.CONFLICT
    message = "The mandate allows no more purchases within this hour."


class MandateConflict(DomainError):
    """The purchase is more than what is left of the mandate."""

    code = "MANDATE_CONFLICT"
    kind = Kind.CONFLICT
    message = "The purchase is more than what is left of the mandate."


class EscrowNotActive(DomainError):
    """The escrow has ended; nothing is spent from it."""

    code = "ESCROW_NOT_ACTIVE"
    kind = Kind.CONFLICT
    message = "The escrow has ended."


class PayeeNotAllowed(DomainError):
    """Nobody with this reference may be paid from the escrow."""

    code = "PAYEE_NOT_ALLOWED"
    kind = Kind.FORBIDDEN
    message = "This payee may not be paid from the escrow."


class DailyLimitReached(DomainError):
    """More than the payee may be paid on one day (UTC)."""

    code = "DAILY_LIMIT_REACHED"
    kind = Kind.CONFLICT
    message = "The payee's daily limit would be exceeded."


class TotalLimitReached(DomainError):
    """More than the payee may be paid at all."""

    code = "TOTAL_LIMIT_REACHED"
    kind = Kind.CONFLICT
    message = "The payee's total limit would be exceeded."


# --- Restricted transfers -------------------------------------------------------------------------


class UnauthorizedTransfer(DomainError):
    """The receiver is neither on the sender's allowlist nor certified."""

    code = "UNAUTHORIZED_TRANSFER"
    kind = Kind.FORBIDDEN
    message = "The sender may not transfer to this receiver."


class TransactionNotFound(DomainError):
    """No such transfer."""

    code = "TRANSACTION_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such transaction."


class AllowedRecipientNotFound(DomainError):
    """No such entry of the allowlist, or one that was taken back."""

    code = "ALLOWED_RECIPIENT_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such entry of the allowlist."


class CertificationNotFound(DomainError):
    """No such certification, or one that was taken back."""

    code = "CERTIFICATION_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such certification."
