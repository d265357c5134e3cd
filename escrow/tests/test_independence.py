"""Nobody with a stake in an escrow decides over its money as staff or in another's name."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from escrow.errors import OwnEscrowForbidden
from escrow.models import Deposit, Escrow, EscrowStatus
from escrow.services.acceptance import approve_escrow, cancel_escrow, reject_escrow
from escrow.services.deposits import confirm_deposit, reject_deposit, report_deposit
from escrow.services.disputes import resolve_dispute
from escrow.services.journal import Said
from escrow.services.refunds import refund_escrow
from escrow.tests.books import held_in_ledger, payments_of
from escrow.tests.factories import as_client, make_escrow, minor_of
from kobatela.accounts.errors import ApprovalTooEarly
from kobatela.accounts.models import User
from kobatela.accounts.selectors import managed_by
from kobatela.accounts.tests.factories import make_caller, make_fresh_caller, make_user
from kobatela.kernel.caller import Caller, Scope

pytestmark = pytest.mark.django_db
E = EscrowStatus
Ties = tuple[User, User]


def same() -> Ties:
    user = make_user()
    return user, user


def managed() -> Ties:
    party = make_user()
    return party, make_user(managed_by=party)


def managing() -> Ties:
    manager = make_user()
    return make_user(managed_by=manager), manager


def siblings() -> Ties:
    manager = make_user()
    return make_user(managed_by=manager), make_user(managed_by=manager)


TIES = [same, managed, managing, siblings]
SIDES = ["client", "provider"]


def in_the_name_of(party: User, admin: User) -> Caller:
    """An admin's key with X-On-Behalf-Of."""
    return make_caller(Scope.ADMIN, admin, on_behalf_of=party.pk, acts_for=managed_by(party.pk))


def make_escrow_of(party: User, side: str, status: EscrowStatus) -> Escrow:
    """An escrow with a stranger on the other side."""
    client, provider = (party, None) if side == "client" else (None, party)
    return make_escrow(status, client=client, provider=provider)


def resolve(caller: Caller, escrow: Escrow) -> Any:
    return resolve_dispute(
        caller=caller,
        escrow_id=escrow.pk,
        release_in=minor_of(escrow.held_minor),
        refund_in=minor_of(0),
        note="Heard both.",
    )


def refund(caller: Caller, escrow: Escrow) -> Any:
    return refund_escrow(caller=caller, escrow_id=escrow.pk, amount_in=None, note="Agreed.")


def refund_a_part(caller: Caller, escrow: Escrow) -> Any:
    return refund_escrow(caller=caller, escrow_id=escrow.pk, amount_in=minor_of(5), note="Agreed.")


def approve(caller: Caller, escrow: Escrow) -> Any:
    return approve_escrow(caller=caller, escrow_id=escrow.pk, said=Said())


def reject(caller: Caller, escrow: Escrow) -> Any:
    return reject_escrow(caller=caller, escrow_id=escrow.pk, said=Said())


def cancel(caller: Caller, escrow: Escrow) -> Any:
    return cancel_escrow(caller=caller, escrow_id=escrow.pk, said=Said())


def a_deposit(escrow: Escrow) -> Deposit:
    report_deposit(caller=as_client(escrow), escrow_id=escrow.pk, amount_in=minor_of(10_000))
    return Deposit.objects.get(escrow=escrow)


def assert_refused(
    command: Callable[[Caller, Escrow], Any], caller: Caller, escrow: Escrow
) -> None:
    """The command is refused for who is behind the key, and nothing moved."""
    before = escrow.status, held_in_ledger(escrow)
    with pytest.raises(OwnEscrowForbidden), transaction.atomic():
        command(caller, escrow)
    escrow.refresh_from_db()
    assert (escrow.status, held_in_ledger(escrow)) == before
    assert payments_of(escrow) == []


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("tie", TIES)
@pytest.mark.parametrize(
    ("status", "command"), [(E.DISPUTED, resolve), (E.FUNDED, refund), (E.FUNDED, refund_a_part)]
)
def test_staff_who_are_or_are_related_to_a_party_move_none_of_its_money(
    status: EscrowStatus, command: Callable[..., Any], tie: Callable[[], Ties], side: str
) -> None:
    party, person = tie()
    escrow = make_escrow_of(party, side, status)
    assert_refused(command, make_caller(Scope.SUPPORT, person), escrow)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("tie", TIES)
def test_staff_who_are_or_are_related_to_a_party_neither_confirm_nor_reject_its_deposit(
    tie: Callable[[], Ties], side: str
) -> None:
    party, person = tie()
    escrow = make_escrow_of(party, side, E.DRAFT)
    deposit = a_deposit(escrow)
    for command in (confirm_deposit, reject_deposit):
        with pytest.raises(OwnEscrowForbidden), transaction.atomic():
            command(
                caller=make_caller(Scope.SUPPORT, person),
                escrow_id=escrow.pk,
                deposit_id=deposit.pk,
            )
    deposit.refresh_from_db()
    assert (deposit.status, held_in_ledger(escrow)) == ("PENDING", 0)


@pytest.mark.parametrize("tie", TIES)
@pytest.mark.parametrize(
    ("status", "command"),
    [
        (E.FUNDED, approve),
        (E.FUNDED, reject),
        (E.FUNDED, refund),
        (E.FUNDED, refund_a_part),
        (E.DRAFT, cancel),
    ],
)
def test_nobody_of_the_providers_decides_in_the_clients_name(
    status: EscrowStatus, command: Callable[..., Any], tie: Callable[[], Ties]
) -> None:
    provider, person = tie()
    escrow = make_escrow(status, provider=provider)
    assert_refused(command, in_the_name_of(escrow.client, person), escrow)


@pytest.mark.parametrize("tie", TIES)
def test_nobody_of_the_clients_gives_the_money_back_in_the_providers_name(
    tie: Callable[[], Ties],
) -> None:
    client, person = tie()
    escrow = make_escrow(client=client)
    assert_refused(refund, in_the_name_of(escrow.provider, person), escrow)


def test_a_party_decides_in_its_own_name_and_not_with_an_admins_key() -> None:
    escrow = make_escrow()
    assert_refused(approve, in_the_name_of(escrow.client, escrow.client), escrow)
    assert approve(as_client(escrow), escrow).escrow.status == E.RELEASED


def test_in_the_name_of_a_manager_of_both_sides_nobody_of_either_decides() -> None:
    manager = make_user()
    client, provider = make_user(managed_by=manager), make_user(managed_by=manager)
    escrow = make_escrow(client=client, provider=provider)
    assert_refused(approve, in_the_name_of(manager, manager), escrow)
    assert approve(in_the_name_of(manager, make_user()), escrow).escrow.status == E.RELEASED


def test_who_is_related_to_the_side_that_they_stand_in_for_decides_for_it() -> None:
    client, person = managing()
    escrow = make_escrow(client=client)
    assert approve(in_the_name_of(client, person), escrow).escrow.status == E.RELEASED


@pytest.mark.parametrize("command", [approve, reject, refund])
def test_a_partner_system_that_manages_both_sides_acts_as_the_party(
    command: Callable[..., Any],
) -> None:
    manager = make_user()
    client, provider = make_user(managed_by=manager), make_user(managed_by=manager)
    escrow = make_escrow(client=client, provider=provider)
    done = command(make_caller(Scope.SENDER, manager), escrow)
    assert done.escrow.status in {E.RELEASED, E.REFUNDED}


def test_a_second_person_with_a_stake_does_not_count() -> None:
    provider, person = siblings()
    escrow = make_escrow(E.DISPUTED, provider=provider, amount_total_minor=1_000_001)
    first = resolve(make_caller(Scope.SUPPORT, make_user()), escrow)
    assert first.approvals.given == 1
    assert_refused(resolve, make_caller(Scope.SUPPORT, person), escrow)


def test_a_clients_key_that_an_admin_has_just_seen_takes_no_part_of_a_large_escrow() -> None:
    large, small = make_escrow(amount_total_minor=1_000_001), make_escrow(client=make_user())
    seen = make_fresh_caller(Scope.SENDER, large.client)
    for command in (approve, reject, refund):
        with pytest.raises(ApprovalTooEarly), transaction.atomic():
            command(seen, large)
    with pytest.raises(ApprovalTooEarly), transaction.atomic():
        refund_escrow(caller=seen, escrow_id=large.pk, amount_in=minor_of(1))
    assert held_in_ledger(large) == 1_000_001

    other = make_fresh_caller(Scope.SENDER, small.client)
    assert approve(other, small).escrow.status == E.RELEASED
    assert approve(as_client(large), large).escrow.status == E.RELEASED


def test_a_clients_key_that_an_admin_has_just_seen_takes_no_large_sum_of_many_escrows() -> None:
    client = make_user()
    seen = make_fresh_caller(Scope.SENDER, client)
    first, second = (make_escrow(client=client, amount_total_minor=500_001) for _ in range(2))
    assert approve(seen, first).escrow.status == E.RELEASED

    with pytest.raises(ApprovalTooEarly), transaction.atomic():
        approve(seen, second)

    assert held_in_ledger(second) == 500_001
    refund_escrow(caller=seen, escrow_id=second.pk, amount_in=minor_of(499_999))
    assert held_in_ledger(second) == 2
