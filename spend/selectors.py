"""Reading controlled spending: what a caller may see, rows under their locks, sums over rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from kobatela.accounts.selectors import is_active_user
from kobatela.accounts.visible import visible_to
from kobatela.kernel.caller import Caller
from kobatela.kernel.rows import RowStatement
from payments.recipients import origin_of_payment
from spend import rules
from spend.errors import (
    CategoryNotFound,
    MandateNotFound,
    MerchantNotFound,
    PayeeNotFound,
    PurchaseNotFound,
    SpendingNotFound,
    UsageNotFound,
)
from spend.models import (
    SPENT,
    AllowedPayee,
    AllowedUsage,
    Category,
    Mandate,
    MandateStatus,
    Merchant,
    Purchase,
    Spending,
)

# Each spending asks these; composing them anew would cost more than the database takes.
_SPENT_UNDER = """
    SELECT COALESCE(sum(amount_minor) FILTER (WHERE status = ANY(%s)), 0)::bigint,
           count(*) FILTER (WHERE created_at > %s)
      FROM spend_purchase WHERE mandate_id = %s
"""
_PAID_TO = """
    SELECT COALESCE(sum(amount_minor) FILTER (WHERE created_at >= %s), 0)::bigint,
           COALESCE(sum(amount_minor), 0)::bigint
      FROM spend_spending WHERE escrow_id = %s AND payee_ref = %s AND taken_back_at IS NULL
"""

# Many buy from one merchant at once, so they share the lock, which Django cannot ask for.
_KEEP_MERCHANT = RowStatement(Merchant, "FROM spend_merchant WHERE id = %s FOR SHARE")
_KEEP_USAGE = RowStatement(
    AllowedUsage,
    """
      FROM spend_allowedusage
     WHERE owner_id = %s AND deactivated_at IS NULL AND (merchant_id = %s OR category_id = %s)
     LIMIT 1 FOR SHARE
    """,
)


# --- The catalogue --------------------------------------------------------------------------------


def find_categories(*, is_active: bool | None = None, q: str | None = None) -> QuerySet[Category]:
    """Categories by the filters of their list. q: part of the code or the label."""
    found = Category.objects.all()
    if is_active is not None:
        found = found.filter(is_active=is_active)
    if q:
        found = found.filter(Q(code__icontains=q) | Q(label__icontains=q))
    return found


def get_category(category_id: int, *, field: str = "category_id") -> Category:
    """One category. Raises CategoryNotFound, which says where the request names it."""
    category = Category.objects.filter(pk=category_id).first()
    if category is None:
        raise CategoryNotFound(field=field)
    return category


def lock_category(category_id: int) -> Category:
    """One category, locked. Raises CategoryNotFound."""
    category = Category.objects.select_for_update(no_key=True).filter(pk=category_id).first()
    if category is None:
        raise CategoryNotFound
    return category


def find_merchants(
    *,
    category_id: int | None = None,
    is_certified: bool | None = None,
    is_active: bool | None = None,
    q: str | None = None,
) -> QuerySet[Merchant]:
    """Merchants by the filters of their list. q: part of the name."""
    exact = {"category": category_id, "is_certified": is_certified, "is_active": is_active}
    found = Merchant.objects.filter(
        **{name: value for name, value in exact.items() if value is not None}
    )
    return found.filter(name__icontains=q) if q else found


def get_merchant(merchant_id: int, *, field: str = "merchant_id") -> Merchant:
    """One merchant with the category. Raises MerchantNotFound, as for a category."""
    merchant = Merchant.objects.select_related("category").filter(pk=merchant_id).first()
    if merchant is None:
        raise MerchantNotFound(field=field)
    return merchant


def keep_merchant(merchant_id: int) -> Merchant:
    """One merchant with the category, who stays as they are until the transaction ends.

    Others may keep the same merchant at the same time; who would change them waits, as this waits
    for a change that is under way. Mandate and escrow must be locked already. Raises
    MerchantNotFound.
    """
    merchant = _KEEP_MERCHANT.first(merchant_id)
    if merchant is None:
        raise MerchantNotFound(field="merchant_id")
    return merchant


def lock_merchant(merchant_id: int) -> Merchant:
    """One merchant, locked. Raises MerchantNotFound."""
    locked = Merchant.objects.select_for_update(of=("self",), no_key=True)
    merchant = locked.filter(pk=merchant_id).first()
    if merchant is None:
        raise MerchantNotFound
    return merchant


# --- Permissions ----------------------------------------------------------------------------------


def find_usages(
    caller: Caller,
    *,
    owner_id: int | None = None,
    merchant_id: int | None = None,
    category_id: int | None = None,
    is_active: bool | None = None,
) -> QuerySet[AllowedUsage]:
    """The permissions that the caller may see: all for staff, else those of its parties."""
    exact = {"owner": owner_id, "merchant": merchant_id, "category": category_id}
    found = AllowedUsage.objects.filter(
        visible_to(caller, "owner"),
        **{name: value for name, value in exact.items() if value is not None},
    )
    if is_active is not None:
        found = found.filter(deactivated_at__isnull=is_active)
    return found


def lock_usage(usage_id: int) -> AllowedUsage:
    """One permission in force, locked. Raises UsageNotFound."""
    locked = AllowedUsage.objects.select_for_update(no_key=True)
    usage = locked.filter(pk=usage_id, deactivated_at__isnull=True).first()
    if usage is None:
        raise UsageNotFound
    return usage


def is_permitted(owner_id: int, merchant: Merchant) -> bool:
    """Whether the owner may buy from the merchant, by name or by an active category.

    What permits it is kept as it is until the transaction ends: who takes it back waits.
    """
    is_active = merchant.category is not None and merchant.category.is_active
    category_id = merchant.category_id if is_active else None
    return _KEEP_USAGE.first(owner_id, merchant.pk, category_id) is not None


def find_payees(
    caller: Caller,
    *,
    escrow_id: int | None = None,
    payee_ref: str | None = None,
    is_active: bool | None = None,
) -> QuerySet[AllowedPayee]:
    """The payees that the caller may see: all for staff, else those of its parties as clients."""
    found = AllowedPayee.objects.filter(visible_to(caller, "escrow__client"))
    if escrow_id is not None:
        found = found.filter(escrow=escrow_id)
    if payee_ref is not None:
        found = found.filter(payee_ref=payee_ref)
    if is_active is not None:
        found = found.filter(deactivated_at__isnull=is_active)
    return found


def get_payee(caller: Caller, payee_id: int) -> AllowedPayee:
    """One payee. Raises PayeeNotFound, also for one that the caller may not see."""
    payee = find_payees(caller).filter(pk=payee_id).first()
    if payee is None:
        raise PayeeNotFound
    return payee


def lock_payee(payee_id: int) -> AllowedPayee:
    """One payee in force, locked; the escrow must be locked already. Raises PayeeNotFound."""
    locked = AllowedPayee.objects.select_for_update(no_key=True)
    payee = locked.filter(pk=payee_id, deactivated_at__isnull=True).first()
    if payee is None:
        raise PayeeNotFound
    return payee


def lock_payee_by_ref(escrow_id: int, payee_ref: str) -> AllowedPayee | None:
    """Who may be paid from the escrow under a reference, locked; None for nobody."""
    locked = AllowedPayee.objects.select_for_update(no_key=True)
    found = locked.filter(escrow=escrow_id, payee_ref=payee_ref, deactivated_at__isnull=True)
    return found.first()


def payee_facts(payee: AllowedPayee, at: datetime) -> rules.PayeeFacts:
    """The limits of a locked payee, and what they were paid."""
    with connection.cursor() as cursor:
        cursor.execute(_PAID_TO, [rules.day_of(at), payee.escrow_id, payee.payee_ref])
        today_minor, paid_minor = cursor.fetchone()
    return rules.PayeeFacts(
        daily_limit_minor=payee.daily_limit_minor,
        paid_today_minor=today_minor,
        total_limit_minor=payee.total_limit_minor,
        paid_minor=paid_minor,
        is_payable=is_payable(payee),
    )


def is_payable(row: Merchant | AllowedPayee) -> bool:
    """Whether nobody would be paid who was deactivated."""
    return row.payee_id is None or is_active_user(row.payee_id)


def spending_of_payment(payment_id: int) -> Spending | None:
    """What a payment to a payee pays for, or one that came back in its place; None for others."""
    kind, _, number = origin_of_payment(payment_id).partition(":")
    return Spending.objects.filter(pk=number).first() if kind == "spending" else None


def get_spending(caller: Caller, payment_id: int) -> Spending:
    """What a payment pays for, to its escrow's client and to staff. Raises SpendingNotFound, also
    for one that the caller may not see."""
    spending = spending_of_payment(payment_id)
    if spending is None or not (caller.is_staff or caller.may_act_for(spending.escrow.client_id)):
        raise SpendingNotFound
    return spending


def lock_spending(spending_id: int) -> Spending:
    """One spending, locked; its escrow must be locked already."""
    locked = Spending.objects.select_for_update(of=("self",), no_key=True)
    return locked.select_related("payee").get(pk=spending_id)


def next_spending_id() -> int:
    """A number for a spending that is not stored yet."""
    return _next_id("spend_spending")


def next_purchase_id() -> int:
    """A number for a purchase that is not stored yet."""
    return _next_id("spend_purchase")


# --- Mandates and purchases -----------------------------------------------------------------------


def visible_mandates(caller: Caller) -> QuerySet[Mandate]:
    """The mandates that the caller may see, each with `spent_minor`."""
    return _with_spent(Mandate.objects.filter(visible_to(caller, "sender", "beneficiary")))


def find_mandates(caller: Caller, **filters: Any) -> QuerySet[Mandate]:
    """Visible mandates by the filters of `GET /mandates`, which are columns of theirs."""
    return visible_mandates(caller).filter(**filters)


def get_mandate(caller: Caller, mandate_id: int) -> Mandate:
    """One mandate. Raises MandateNotFound, also for one that the caller may not see."""
    mandate = visible_mandates(caller).filter(pk=mandate_id).first()
    if mandate is None:
        raise MandateNotFound
    return mandate


def active_mandate(sender_id: int, beneficiary_id: int, currency: str) -> Mandate | None:
    """The one mandate that is ACTIVE between two in a currency; it may have run out."""
    found = Mandate.objects.filter(
        sender=sender_id,
        beneficiary=beneficiary_id,
        currency=currency,
        status=MandateStatus.ACTIVE,
    )
    return found.first()


def lock_mandate(mandate_id: int) -> Mandate:
    """One mandate, locked; its escrow must be locked already."""
    return Mandate.objects.select_for_update(no_key=True).get(pk=mandate_id)


def mandates_expired_by(at: datetime, limit: int, visible: Q | None = None) -> Sequence[int]:
    """The ACTIVE mandates that have run out, the longest overdue first."""
    found = Mandate.objects.filter(status=MandateStatus.ACTIVE, expires_at__lte=at)
    found = found.filter(visible or Q()).order_by("expires_at")
    return list(found.values_list("pk", flat=True)[:limit])


def spent_under(mandate_id: int, at: datetime) -> tuple[int, int]:
    """What was spent under a locked mandate, and how many purchases the last hour saw."""
    with connection.cursor() as cursor:
        cursor.execute(
            _SPENT_UNDER, [[status.value for status in SPENT], rules.hour_before(at), mandate_id]
        )
        spent_minor, purchases = cursor.fetchone()
    return spent_minor, purchases


def with_spent(mandate: Mandate) -> Mandate:
    """The same mandate with `spent_minor`."""
    return _with_spent(Mandate.objects.filter(pk=mandate.pk)).get()


def visible_purchases(caller: Caller) -> QuerySet[Purchase]:
    """The purchases that the caller may see: its parties' as senders and as beneficiaries."""
    return Purchase.objects.filter(visible_to(caller, "sender", "beneficiary"))


def find_purchases(caller: Caller, **filters: Any) -> QuerySet[Purchase]:
    """Visible purchases by the filters of `GET /spend/purchases`, which are columns of theirs."""
    return visible_purchases(caller).filter(**filters)


def get_purchase(caller: Caller, purchase_id: int) -> Purchase:
    """One purchase. Raises PurchaseNotFound, also for one that the caller may not see."""
    purchase = visible_purchases(caller).filter(pk=purchase_id).first()
    if purchase is None:
        raise PurchaseNotFound
    return purchase


def may_see_purchase(caller: Caller, purchase_id: int) -> bool:
    """Whether the purchase is there for the caller."""
    return visible_purchases(caller).filter(pk=purchase_id).exists()


def escrow_of_purchase(purchase_id: int) -> int | None:
    """The escrow that a purchase was paid from; None for one without, or that does not exist."""
    found = Purchase.objects.filter(pk=purchase_id)
    return found.values_list("escrow_id", flat=True).first()


def lock_purchase(purchase_id: int) -> Purchase:
    """One purchase, locked; its escrow and its mandate must be locked already."""
    return Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)


def _next_id(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [table])
        (number,) = cursor.fetchone()
    return int(number)


def _with_spent(mandates: QuerySet[Mandate]) -> QuerySet[Mandate]:
    spent = (
        Purchase.objects.filter(mandate=OuterRef("pk"), status__in=SPENT)
        .order_by()
        .values("mandate")
        .annotate(sum=Sum("amount_minor"))
        .values("sum")
    )
    nothing = Value(0, output_field=BigIntegerField())
    return mandates.annotate(spent_minor=Coalesce(Subquery(spent), nothing))
