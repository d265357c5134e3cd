"""Whom an escrow knows through what is paid from it: payees, beneficiaries and merchants."""

from escrow.hooks import Outsiders
from spend.models import AllowedPayee, Mandate, Merchant, Purchase


def outsiders_of(escrow_id: int, limit: int) -> Outsiders:
    """All of them, also those who were taken back; at most `limit` of each sort.

    Registered with escrow.hooks. A payee's reference is the client system's word for it and names
    nobody.
    """
    payees = list(AllowedPayee.objects.filter(escrow=escrow_id).order_by("-pk")[:limit])
    mandates = Mandate.objects.filter(escrow=escrow_id).order_by("-pk")
    named = list(mandates.values_list("beneficiary_id", "allowed_merchant_id")[:limit])
    bought = Purchase.objects.filter(escrow=escrow_id).order_by("merchant_id")
    merchant_ids = set(filter(None, (merchant_id for _, merchant_id in named)))
    merchant_ids |= set(bought.values_list("merchant_id", flat=True).distinct()[:limit])
    merchants = list(Merchant.objects.filter(pk__in=merchant_ids))
    users = [
        *(row.payee_id for row in payees),
        *(row.payee_id for row in merchants),
        *(beneficiary_id for beneficiary_id, _ in named),
    ]
    return Outsiders(
        names=(*(row.label for row in payees), *(row.name for row in merchants)),
        user_ids=frozenset(filter(None, users)),
        parties=frozenset([row.reference for row in payees] + [row.reference for row in merchants]),
    )
