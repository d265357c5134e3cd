"""Reading the allowlist, certifications and transfers; and the rows that authorise, locked."""

from django.db.models import QuerySet

from spend.errors import AllowedRecipientNotFound, CertificationNotFound, TransactionNotFound
from spend.models import AllowedRecipient, Basis, CertifiedAccount, Transfer


def allowed_recipients() -> QuerySet[AllowedRecipient]:
    """Who may transfer to whom now."""
    return AllowedRecipient.objects.filter(removed_at__isnull=True)


def certified_accounts() -> QuerySet[CertifiedAccount]:
    """To whom anybody may transfer now."""
    return CertifiedAccount.objects.filter(removed_at__isnull=True)


def transfers() -> QuerySet[Transfer]:
    """Every transfer that was authorised."""
    return Transfer.objects.all()


def get_transfer(transfer_id: int) -> Transfer:
    """One transfer. Raises TransactionNotFound."""
    transfer = transfers().filter(pk=transfer_id).first()
    if transfer is None:
        raise TransactionNotFound
    return transfer


def lock_allowed_recipient(allowed_id: int) -> AllowedRecipient:
    """One entry of the allowlist, locked. Raises AllowedRecipientNotFound."""
    found = allowed_recipients().select_for_update().filter(pk=allowed_id).first()
    if found is None:
        raise AllowedRecipientNotFound
    return found


def lock_certification(certified_id: int) -> CertifiedAccount:
    """One certification, locked. Raises CertificationNotFound."""
    found = certified_accounts().select_for_update().filter(pk=certified_id).first()
    if found is None:
        raise CertificationNotFound
    return found


def basis_of(*, sender_id: int, receiver_id: int) -> Basis | None:
    """Why the sender may transfer to the receiver now, or None if they may not.

    What it stands on is locked until the transaction ends, so that nobody takes it back between
    the question and the transfer.
    """
    pair = allowed_recipients().filter(owner=sender_id, recipient=receiver_id)
    if pair.select_for_update().first() is not None:
        return Basis.ALLOWLIST
    if certified_accounts().filter(user=receiver_id).select_for_update().first() is not None:
        return Basis.CERTIFIED
    return None
