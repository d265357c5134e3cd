"""Buying under a mandate."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from audit.actions import Action
from audit.services import entries
from escrow import selectors as escrow_selectors
from escrow.services import spends
from escrow.services.journal import Acting
from kobatela.accounts.errors import PartyUnknown
from kobatela.accounts.selectors import is_close_to, party_or_refuse, require_active_user
from kobatela.accounts.services.approvals import ApprovalState, count_large_sum, require_approval
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import Money
from spend import rules, selectors
from spend.errors import CategoryMismatch
from spend.models import Mandate, MandateStatus, Merchant, Purchase
from spend.rules import Ask, Limit
from spend.services import denials
from spend.services.destinations import recipient_of
from spend.services.independence import require_no_stake
from spend.services.mandates import move

COMMAND = "purchase"


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseOrder:
    """What somebody wants to buy from whom. category_id: what the buyer takes the merchant for."""

    sender_id: int
    beneficiary_id: int
    merchant_id: int
    money: Money
    category_id: int | None = None


@dataclass(frozen=True, slots=True)
class PurchaseResult:
    """The purchase and its mandate's limits before it. With `approvals` nothing was bought yet."""

    purchase: Purchase
    limits: tuple[Limit, ...] = ()
    approvals: ApprovalState | None = None


@dataclass(frozen=True, slots=True)
class _Scene:
    """All that a purchase is decided on, under its locks."""

    caller: Caller
    order: PurchaseOrder
    merchant: Merchant
    mandate: Mandate | None
    purse: spends.Purse | None


@transaction.atomic(savepoint=False)
def make_purchase(*, caller: Caller, order: PurchaseOrder) -> PurchaseResult:
    """Buy under the mandate that the sender gave the beneficiary in this currency.

    The caller acts for the sender or for the beneficiary. Where the mandate names an escrow, the
    merchant is paid from its free money; otherwise an authorized use is recorded.

    Raises ValidationFailed for unknown people, MerchantNotFound, CategoryNotFound,
    CategoryMismatch, OwnSpendForbidden, and what `rules.decide` refuses with; such a refusal is
    kept.
    """
    _check_caller(caller, order)
    scene = _set(caller, order)
    ask = _ask(scene)
    decision = rules.decide(ask)
    # A beneficiary is no party to the escrow.
    shows_escrow = caller.may_act_for(order.sender_id)
    if not decision.is_allowed:
        raise denials.refuse(
            caller=caller,
            decision=decision,
            ask=ask,
            action=Action.PURCHASE_REFUSED,
            subject=scene.mandate.reference if scene.mandate else f"user:{order.sender_id}",
            about={
                "sender_id": order.sender_id,
                "beneficiary_id": order.beneficiary_id,
                "merchant_id": order.merchant_id,
            },
            shows_escrow=shows_escrow,
            stream=scene.purse.escrow.reference if scene.purse else None,
        )
    assert scene.mandate is not None, "without a mandate nothing is allowed"
    approvals = _missing_approval(scene, scene.mandate)
    if approvals is not None:
        return PurchaseResult(_row(scene, scene.mandate), approvals=approvals)
    purchase = _buy(scene, scene.mandate)
    if purchase.amount_minor + _spent(ask) == scene.mandate.total_minor:
        move(scene.mandate, MandateStatus.CONSUMED, Action.MANDATE_CONSUMED, caller.actor)
    return PurchaseResult(purchase, denials.readable(decision, shows_escrow=shows_escrow))


def _check_caller(caller: Caller, order: PurchaseOrder) -> None:
    """The caller is one side, or acts for it. Nobody else waits for a lock: who waits would learn
    that there is something to wait for."""
    sides = {"sender_id": order.sender_id, "beneficiary_id": order.beneficiary_id}
    own = next((name for name, side in sides.items() if caller.may_act_for(side)), None)
    if own is None:
        raise PartyUnknown("sender_id", order.sender_id)
    if sides[own] != caller.party_id:
        party_or_refuse(caller, sides[own], own)
    require_no_stake(caller, *sides.values())


def _check_sides(order: PurchaseOrder) -> None:
    """Both sides are active users, also the one that may have been deactivated while it waited."""
    require_active_user(order.sender_id, field="sender_id")
    if order.beneficiary_id != order.sender_id:
        require_active_user(order.beneficiary_id, field="beneficiary_id")


def _merchant_of(order: PurchaseOrder) -> Merchant:
    merchant = selectors.keep_merchant(order.merchant_id)
    if order.category_id is not None and order.category_id != merchant.category_id:
        selectors.get_category(order.category_id)
        raise CategoryMismatch.of(
            "category_id", "mismatch", "It is not the category of this merchant."
        )
    return merchant


def _set(caller: Caller, order: PurchaseOrder) -> _Scene:
    """Take the locks in their order: the escrow, the mandate, then the merchant.

    What a purchase is decided on is read after the wait for them: support may withdraw a merchant
    or deactivate a person meanwhile, and is told that it is done.
    """
    mandate = selectors.active_mandate(order.sender_id, order.beneficiary_id, order.money.currency)
    purse: spends.Purse | None = None
    if mandate is not None:
        if mandate.escrow_id is not None:
            purse = spends.open_purse(escrow_selectors.lock_escrow(mandate.escrow_id))
        mandate = selectors.lock_mandate(mandate.pk)
        if mandate.status != MandateStatus.ACTIVE:
            mandate = None
    _check_sides(order)
    return _Scene(caller, order, _merchant_of(order), mandate, purse)


def _ask(scene: _Scene) -> Ask:
    order, merchant, mandate, purse = scene.order, scene.merchant, scene.mandate, scene.purse
    now = clock.now()
    facts: rules.MandateFacts | None = None
    if mandate is not None:
        spent_minor, purchases = selectors.spent_under(mandate.pk, now)
        facts = rules.MandateFacts(
            total_minor=mandate.total_minor,
            spent_minor=spent_minor,
            expires_at=mandate.expires_at,
            merchant_id=mandate.allowed_merchant_id,
            category_id=mandate.allowed_category_id,
            max_per_hour=mandate.max_per_hour,
            purchases_in_hour=purchases,
        )
    return Ask(
        amount_minor=order.money.amount_minor,
        currency=order.money.currency,
        at=now,
        merchant=rules.MerchantFacts(
            merchant_id=merchant.pk,
            category_id=merchant.category_id,
            is_active=merchant.is_active,
            is_certified=merchant.is_certified,
            is_permitted=merchant.is_certified
            or selectors.is_permitted(order.beneficiary_id, merchant),
            is_payable=selectors.is_payable(merchant),
            is_apart=merchant.payee_id is None
            or not is_close_to(merchant.payee_id, order.sender_id, order.beneficiary_id),
        ),
        mandate=facts,
        purse=purse_facts(purse) if purse is not None else None,
    )


def purse_facts(purse: spends.Purse) -> rules.PurseFacts:
    """What a decision needs to know of the escrow."""
    return rules.PurseFacts(
        free_minor=purse.free_minor, is_closed=purse.is_closed, is_disputed=purse.is_disputed
    )


def _spent(ask: Ask) -> int:
    assert ask.mandate is not None, "without a mandate nothing is allowed"
    return ask.mandate.spent_minor


def _missing_approval(scene: _Scene, mandate: Mandate) -> ApprovalState | None:
    """Four eyes on money that an admin moves in a party's name."""
    if mandate.escrow_id is None:
        return None
    if scene.caller.on_behalf_of is None:
        assert scene.purse is not None, "a mandate of an escrow spends from it"
        escrow = scene.purse.escrow
        count_large_sum(
            caller=scene.caller,
            money=scene.order.money,
            whole=Money(escrow.amount_total_minor, escrow.currency),
        )
        return None
    state = require_approval(
        caller=scene.caller,
        command=COMMAND,
        subject=mandate.reference,
        escrow_id=mandate.escrow_id,
        money=scene.order.money,
        figures={"merchant_id": scene.merchant.pk},
    )
    return None if state.granted else state


def _buy(scene: _Scene, mandate: Mandate) -> Purchase:
    purchase = _row(scene, mandate)
    if scene.purse is not None:
        # Its payment names the purchase, and the row of the purchase its payment.
        purchase.pk = selectors.next_purchase_id()
        payment = spends.pay_from(
            scene.purse,
            kind="purchase",
            recipient=recipient_of(scene.merchant),
            amount_minor=purchase.amount_minor,
            origin=purchase.reference,
            by=Acting.of(scene.caller),
        )
        purchase.payment_id = payment.pk
    purchase.save(force_insert=True)
    tell(purchase, Action.PURCHASE_MADE, scene.caller, event="purchase.made")
    return purchase


def _row(scene: _Scene, mandate: Mandate) -> Purchase:
    now = clock.now()
    return Purchase(
        mandate=mandate,
        sender_id=scene.order.sender_id,
        beneficiary_id=scene.order.beneficiary_id,
        merchant=scene.merchant,
        category_id=scene.merchant.category_id,
        amount_minor=scene.order.money.amount_minor,
        currency=scene.order.money.currency,
        escrow_id=mandate.escrow_id,
        created_by=scene.caller.actor,
        created_at=now,
        updated_at=now,
    )


def tell(
    purchase: Purchase, action: Action, by: Caller | str, *, event: str | None = None, **body: Any
) -> None:
    """Write an entry about a purchase: into its escrow's stream, else its mandate's."""
    stream = f"mandate:{purchase.mandate_id}"
    if purchase.escrow_id is not None:
        stream = f"escrow:{purchase.escrow_id}"
    entries.record(
        actor=by if isinstance(by, str) else by.actor,
        on_behalf_of=None if isinstance(by, str) else by.on_behalf_of,
        action=action,
        subject=purchase.reference,
        stream=stream,
        body={
            "mandate_id": purchase.mandate_id,
            "merchant_id": purchase.merchant_id,
            "category_id": purchase.category_id,
            "amount_minor": purchase.amount_minor,
            "currency": purchase.currency,
            "status": purchase.status,
            "payment_id": purchase.payment_id,
            **body,
        },
        event=event,
        audience=[purchase.sender_id, purchase.beneficiary_id] if event else (),
    )
