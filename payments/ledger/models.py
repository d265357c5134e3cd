"""Accounts, their balances, and the transfers between them.

The application reads these tables and writes none of them: the SQL function `ledger_post`, which
runs with the owner's rights, is the only writer (see migration 0002).
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from payments.ledger.chart import Side


class Account(models.Model):
    """One purpose and owner in one currency. Never changed."""

    code = models.CharField(max_length=64)
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=20)
    normal_side = models.CharField(max_length=6)
    is_guarded = models.BooleanField()
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["code", "currency"], name="ledger_account_unique"),
            models.CheckConstraint(
                name="ledger_account_side_known",
                condition=Q(normal_side__in=[Side.DEBIT.value, Side.CREDIT.value]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.currency}"


class Balance(models.Model):
    """What is on an account, in the direction in which it grows: the sum of its stripes.

    A guarded account has one stripe, so that its CHECK sees the whole. An unguarded one, which
    many transactions touch at once, has sixteen, each of which is locked by few of them.
    """

    pk = models.CompositePrimaryKey("account_id", "stripe")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="balances", db_index=False
    )
    stripe = models.SmallIntegerField()
    is_guarded = models.BooleanField()
    balance_minor = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="ledger_guarded_not_negative",
                condition=Q(is_guarded=False) | Q(balance_minor__gte=0),
            ),
            models.CheckConstraint(
                name="ledger_guarded_is_whole", condition=Q(is_guarded=False) | Q(stripe=0)
            ),
        ]

    def __str__(self) -> str:
        return f"account {self.account_id}/{self.stripe}: {self.balance_minor}"


class Transfer(models.Model):
    """One effect, booked once under its business key, in one currency. Never changed."""

    business_key = models.CharField(max_length=200, unique=True)
    code = models.CharField(max_length=40)
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.business_key


class Entry(models.Model):
    """One side of a transfer: debit positive, credit negative. Never changed."""

    pk = models.CompositePrimaryKey("transfer_id", "account_id")
    transfer = models.ForeignKey(
        Transfer, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="ledger_entry_not_zero", condition=~Q(amount_minor=0)),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "transfer"], name="ledger_entry_by_account"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} on account {self.account_id}"
