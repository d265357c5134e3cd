"""How much each API key and its rotations have confirmed on escrows that are still open."""

from django.db import connection
from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from escrow.models import Deposit, DepositStatus, Escrow, KeyExposure
from kobatela.accounts.selectors import confirm_limit_minor, lock_key_family

_TAKE = """
    INSERT INTO escrow_keyexposure AS exposure (key_id, currency, open_minor) VALUES (%s, %s, %s)
    ON CONFLICT (key_id, currency) DO UPDATE
       SET open_minor = exposure.open_minor + EXCLUDED.open_minor
     WHERE exposure.open_minor + EXCLUDED.open_minor <= %s
    RETURNING open_minor
"""


def take_exposure(*, key_id: int, amount_minor: int, currency: str) -> bool:
    """Count an amount that a key confirms; False, and nothing counted, above the key's limit.

    A rotated key is the same key with another secret: its limit is not a second one. Locks the
    first key of the rotation until the transaction ends. A key that may not confirm has no limit
    at all.
    """
    key = lock_key_family(key_id)
    limit_minor = confirm_limit_minor(key, currency)
    if not key.may_confirm_deposits or amount_minor > limit_minor:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [key.family_id, currency, amount_minor, limit_minor])
        return cursor.fetchone() is not None


def give_back_exposure(escrow: Escrow) -> None:
    """Count what keys confirmed on a closing escrow no longer. Keys in ascending order."""
    confirmed = Deposit.objects.filter(
        escrow=escrow, status=DepositStatus.CONFIRMED, key__isnull=False
    )
    first_key = Coalesce("key__rotation_of", "key")
    by_key = confirmed.values_list(first_key).annotate(sum=Sum("amount_minor")).order_by(first_key)
    for key_id, sum_minor in by_key:
        exposure = KeyExposure.objects.filter(key=key_id, currency=escrow.currency)
        exposure.update(open_minor=F("open_minor") - sum_minor)
