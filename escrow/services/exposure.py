"""How much each API key and its rotations have confirmed on escrows that are still open."""

from django.conf import settings
from django.db import connection
from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from escrow.models import Deposit, DepositStatus, Escrow, KeyExposure

# A deposit waits for every statement, so the key's limit is looked up where it is held to. The
# row of the exposure is what two deposits at once wait for.
_TAKE = """
    WITH key AS (
        SELECT COALESCE(rotation_of_id, id) AS family_id,
               COALESCE((confirm_limit ->> %(currency)s)::bigint, %(figure)s) AS limit_minor
          FROM accounts_apikey WHERE id = %(key)s AND may_confirm_deposits
    )
    INSERT INTO escrow_keyexposure AS exposure (key_id, currency, open_minor)
    SELECT family_id, %(currency)s, %(amount)s FROM key WHERE %(amount)s <= limit_minor
    ON CONFLICT (key_id, currency) DO UPDATE
       SET open_minor = exposure.open_minor + EXCLUDED.open_minor
     WHERE exposure.open_minor + EXCLUDED.open_minor <= (SELECT limit_minor FROM key)
    RETURNING open_minor
"""


def take_exposure(*, key_id: int, amount_minor: int, currency: str) -> bool:
    """Count an amount that a key confirms; False, and nothing counted, above the key's limit.

    The limit is the key's own for the currency, else the four-eyes figure, else nothing. A rotated
    key is the same key with another secret: its limit is not a second one. A key that may not
    confirm has no limit at all. Locks the count until the transaction ends.
    """
    figures: dict[str, int] = settings.KOBATELA_FOUR_EYES_MIN_MINOR
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "key": key_id,
                "currency": currency,
                "amount": amount_minor,
                "figure": figures.get(currency, 0),
            },
        )
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
