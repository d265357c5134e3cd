"""A file that shows what was bought."""

from django.db import transaction

from audit.actions import Action
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.uploads.services.files import claim_upload
from spend import selectors
from spend.errors import ReceiptExists, ReceiptNotFound
from spend.models import Purchase
from spend.services.purchases import tell


@transaction.atomic(savepoint=False)
def add_receipt(*, caller: Caller, purchase_id: int, upload_id: int) -> Purchase:
    """Attach an upload to a purchase, once; support and both sides see it.

    Raises PurchaseNotFound, ReceiptExists, and what claim_upload raises for a file that is not the
    caller's own unused one.
    """
    selectors.get_purchase(caller, purchase_id)
    purchase = selectors.lock_purchase(purchase_id)
    if purchase.receipt_id is not None:
        raise ReceiptExists
    upload = claim_upload(upload_id=upload_id, caller=caller, used_for=purchase.reference)
    purchase.receipt_id = upload.pk
    purchase.updated_at = clock.now()
    purchase.save(update_fields=["receipt", "updated_at"])
    tell(
        purchase,
        Action.PURCHASE_RECEIPT_ADDED,
        caller,
        event="purchase.receipt_added",
        upload_id=upload.pk,
        sha256=upload.sha256,
    )
    return purchase


@transaction.atomic
def read_receipt(*, caller: Caller, purchase_id: int) -> Purchase:
    """A purchase with its receipt, and one audit entry that it was read.

    Raises PurchaseNotFound and ReceiptNotFound.
    """
    purchase = selectors.get_purchase(caller, purchase_id)
    if purchase.receipt_id is None:
        raise ReceiptNotFound
    tell(purchase, Action.PURCHASE_RECEIPT_READ, caller, upload_id=purchase.receipt_id)
    return purchase
