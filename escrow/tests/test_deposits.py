"""Money reported in, by a party, by support, by a PSP."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from audit import selectors as audit_selectors
from audit.actions import Action
from audit.alert_types import AlertType
from audit.services.jobs import run_exclusively
from escrow import selectors
from escrow.errors import (
    DepositNotFound,
    EscrowClosed,
    EscrowNotFound,
    EscrowOverFunded,
    EscrowRoleForbidden,
    OwnEscrowForbidden,
)
from escrow.models import Deposit, DepositStatus, Escrow, EscrowStatus, KeyExposure
from escrow.services.acceptance import cancel_escrow
from escrow.services.deposits import (
    confirm_deposit,
    expire_deposits,
    reject_deposit,
    report_deposit,
)
from escrow.services.journal import Said
from escrow.tests.books import assert_in_order, held_in_ledger, payments_of
from escrow.tests.factories import as_client, as_provider, fund, make_escrow, minor_of
from kobatela.accounts.models import User
from kobatela.accounts.selectors import pending_approvals
from kobatela.accounts.services.keys import revoke_key, rotate_key
from kobatela.accounts.tests.factories import ROOT, make_caller, make_key, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import InvalidState
from payments.ledger import chart
from payments.ledger import selectors as ledger

pytestmark = pytest.mark.django_db
E = EscrowStatus
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def collector(user: User, **limits: str) -> Caller:
    """The caller of a key that may confirm deposits, in open escrows up to `limits`."""
    key, _ = make_key(Scope.SENDER, user, may_confirm_deposits=True, confirm_limit=limits or None)
    return make_caller(Scope.SENDER, user, key_id=key.pk, may_confirm_deposits=True)


def support() -> Caller:
    return make_caller(Scope.SUPPORT, make_user())


def report(caller: Caller, escrow: Escrow, amount_minor: int) -> Deposit:
    report_deposit(caller=caller, escrow_id=escrow.pk, amount_in=minor_of(amount_minor))
    escrow.refresh_from_db()
    return Deposit.objects.order_by("-pk")[0]


def test_a_deposit_without_permission_waits_and_funds_nothing() -> None:
    escrow = make_escrow(E.DRAFT)
    deposit = report(as_client(escrow), escrow, 10_000)
    assert deposit.status == DepositStatus.PENDING
    assert (escrow.status, escrow.funded_minor) == (E.DRAFT, 0)
    assert held_in_ledger(escrow) == 0
    assert_in_order()


def test_a_collectors_deposit_is_booked_against_the_collector_and_no_psp() -> None:
    escrow = make_escrow(E.DRAFT)
    deposit = report(collector(escrow.client), escrow, 4_000)
    assert deposit.source == f"collector:{escrow.client_id}"
    assert (escrow.status, escrow.funded_minor) == (E.DRAFT, 4_000)
    assert ledger.balance_minor(chart.collector(escrow.client_id), "EUR") == 4_000
    assert ledger.balance_minor(chart.psp("fake"), "EUR") == 0
    assert escrow.psp_hold_ends_at is None
    assert_in_order()


def test_the_deposit_that_completes_the_total_funds_the_escrow() -> None:
    escrow = make_escrow(E.DRAFT)
    caller = collector(escrow.client)
    report(caller, escrow, 9_999)
    assert escrow.status == E.DRAFT
    report(caller, escrow, 1)
    assert escrow.status == E.FUNDED
    assert [event.event for event in audit_selectors.waiting_events()].count("escrow.funded") == 1


def test_d17_an_escrow_is_never_funded_beyond_its_total() -> None:
    escrow = make_escrow(E.DRAFT, funded=6_000)
    caller = collector(escrow.client)
    with pytest.raises(EscrowOverFunded) as refusal, transaction.atomic():
        report(caller, escrow, 4_001)
    assert refusal.value.details == {"missing": "40.00"}
    assert Deposit.objects.count() == 1
    assert KeyExposure.objects.count() == 0


def test_a_pending_deposit_counts_for_nothing() -> None:
    escrow = make_escrow(E.DRAFT)
    caller = as_client(escrow)
    report(caller, escrow, 10_000)
    assert report(caller, escrow, 10_000).status == DepositStatus.PENDING


@pytest.mark.parametrize("status", [E.RELEASED, E.REFUNDED, E.CANCELLED])
def test_d11_an_ended_escrow_takes_no_deposit(status: EscrowStatus) -> None:
    escrow = make_escrow(status)
    with pytest.raises(EscrowClosed), transaction.atomic():
        report(as_client(escrow), escrow, 1)
    escrow.refresh_from_db()
    assert escrow.status == status


def test_a_disputed_escrow_takes_no_deposit() -> None:
    escrow = make_escrow(E.DISPUTED, funded=1)
    with pytest.raises(InvalidState), transaction.atomic():
        report(as_client(escrow), escrow, 1)


def test_d03_strangers_and_the_provider_deposit_nothing() -> None:
    escrow = make_escrow(E.DRAFT)
    with pytest.raises(EscrowNotFound), transaction.atomic():
        report(make_caller(Scope.SENDER, make_user()), escrow, 1)
    with pytest.raises(EscrowRoleForbidden), transaction.atomic():
        report(make_caller(Scope.SENDER, escrow.provider), escrow, 1)
    assert Deposit.objects.count() == 0


def test_a_manager_deposits_for_whom_it_manages() -> None:
    manager = make_user()
    escrow = make_escrow(E.DRAFT, client=make_user(managed_by=manager))
    deposit = report(collector(manager), escrow, 10_000)
    assert deposit.source == f"collector:{manager.pk}"
    assert escrow.status == E.FUNDED


# --- the limit of a key -------------------------------------------------------------------------


def test_above_its_limit_a_key_confirms_nothing() -> None:
    client = make_user()
    caller = collector(client, EUR="100.00")
    first, second = make_escrow(E.DRAFT, client=client), make_escrow(E.DRAFT, client=client)
    assert report(caller, first, 6_000).status == DepositStatus.CONFIRMED
    assert report(caller, second, 4_001).status == DepositStatus.PENDING
    assert report(caller, second, 4_000).status == DepositStatus.CONFIRMED
    assert report(caller, second, 1).status == DepositStatus.PENDING
    assert_in_order()


def test_only_open_escrows_count_for_the_limit() -> None:
    client = make_user()
    caller = collector(client, EUR="100.00")
    first, second = make_escrow(E.DRAFT, client=client), make_escrow(E.DRAFT, client=client)
    report(caller, first, 9_000)
    cancel_escrow(caller=caller, escrow_id=first.pk, said=Said())
    assert report(caller, second, 10_000).status == DepositStatus.CONFIRMED
    assert KeyExposure.objects.get().open_minor == 10_000
    assert_in_order()


def test_the_limit_is_the_four_eyes_figure_unless_the_key_has_its_own() -> None:
    escrow = make_escrow(E.DRAFT, amount_total_minor=3_000_000)
    caller = collector(escrow.client)
    assert report(caller, escrow, 1_000_001).status == DepositStatus.PENDING
    assert report(caller, escrow, 1_000_000).status == DepositStatus.CONFIRMED


def test_a_currency_without_a_figure_is_never_confirmed_at_once(settings: Any) -> None:
    settings.KOBATELA_FOUR_EYES_MIN_MINOR = {"EUR": 1_000_000}
    escrow = make_escrow(E.DRAFT, currency="USD")
    assert report(collector(escrow.client), escrow, 1).status == DepositStatus.PENDING


def test_a_key_in_a_partys_name_confirms_nothing_at_once() -> None:
    escrow = make_escrow(E.DRAFT)
    key, _ = make_key(Scope.ADMIN, make_user(), may_confirm_deposits=True)
    caller = make_caller(
        Scope.ADMIN,
        key.user,
        key_id=key.pk,
        may_confirm_deposits=True,
        on_behalf_of=escrow.client_id,
    )
    assert report(caller, escrow, 1).status == DepositStatus.PENDING


def test_a_revoked_keys_history_stays_its_own() -> None:
    escrow = make_escrow(E.DRAFT)
    caller = collector(escrow.client)
    deposit = report(caller, escrow, 1)
    assert deposit.key_id == caller.key_id
    revoke_key(caller=ROOT, key_id=deposit.key_id or 0)
    assert KeyExposure.objects.get(key=deposit.key_id).open_minor == 1


def rotated(caller: Caller) -> Caller:
    """The caller of the successor of a key."""
    successor = rotate_key(caller=ROOT, key_id=caller.key_id or 0).api_key
    return replace(caller, key_id=successor.pk)


def test_a_rotation_brings_no_second_limit() -> None:
    client = make_user()
    first = collector(client, EUR="100.00")
    escrows = [make_escrow(E.DRAFT, client=client) for _ in range(3)]
    assert report(first, escrows[0], 6_000).status == DepositStatus.CONFIRMED
    second = rotated(first)
    assert report(second, escrows[1], 4_001).status == DepositStatus.PENDING
    deposit = report(second, escrows[1], 4_000)
    assert (deposit.status, deposit.key_id) == (DepositStatus.CONFIRMED, second.key_id)
    assert report(first, escrows[2], 1).status == DepositStatus.PENDING
    revoke_key(caller=ROOT, key_id=first.key_id or 0)
    assert report(rotated(second), escrows[2], 1).status == DepositStatus.PENDING
    assert KeyExposure.objects.get().open_minor == 10_000
    assert_in_order()


def test_the_end_of_an_escrow_gives_the_limit_back_to_the_whole_rotation() -> None:
    client = make_user()
    first = collector(client, EUR="100.00")
    second = rotated(first)
    ending, going_on = make_escrow(E.DRAFT, client=client), make_escrow(E.DRAFT, client=client)
    report(first, ending, 2_000)
    report(second, ending, 3_000)
    report(second, going_on, 5_000)
    cancel_escrow(caller=second, escrow_id=ending.pk, said=Said())
    assert KeyExposure.objects.get().open_minor == 5_000
    assert report(first, going_on, 5_000).status == DepositStatus.CONFIRMED
    assert_in_order()


# --- support ------------------------------------------------------------------------------------


def confirm(caller: Caller, deposit: Deposit) -> Any:
    return confirm_deposit(caller=caller, escrow_id=deposit.escrow_id, deposit_id=deposit.pk)


def test_what_support_confirms_is_booked_against_the_manual_psp() -> None:
    escrow = make_escrow(E.DRAFT)
    deposit = report(as_client(escrow), escrow, 10_000)
    result = confirm(support(), deposit)
    escrow.refresh_from_db()
    assert (result.deposit.status, result.deposit.source) == ("CONFIRMED", "psp:manual")
    assert escrow.status == E.FUNDED
    assert ledger.balance_minor(chart.psp("manual"), "EUR") == 10_000
    assert_in_order()


def test_a_large_confirmation_needs_two_people() -> None:
    escrow = make_escrow(E.DRAFT, amount_total_minor=1_000_001)
    deposit = report(as_client(escrow), escrow, 1_000_001)
    first, second = support(), support()
    waiting = confirm(first, deposit)
    assert (waiting.approvals.given, waiting.approvals.needed) == (1, 2)
    assert waiting.deposit.status == DepositStatus.PENDING
    assert confirm(first, deposit).approvals is not None
    assert held_in_ledger(escrow) == 0
    assert confirm(second, deposit).approvals is None
    escrow.refresh_from_db()
    assert escrow.status == E.FUNDED


def test_splitting_deposits_does_not_get_around_two_people() -> None:
    escrow = make_escrow(E.DRAFT, amount_total_minor=1_500_000)
    parts = [report(as_client(escrow), escrow, 750_000) for _ in range(2)]
    caller = support()
    assert confirm(caller, parts[0]).approvals is None
    assert confirm(caller, parts[1]).approvals.given == 1


def test_a_rejected_deposit_fails_and_takes_the_first_approval_with_it() -> None:
    escrow = make_escrow(E.DRAFT, amount_total_minor=1_000_001)
    deposit = report(as_client(escrow), escrow, 1_000_001)
    confirm(support(), deposit)
    result = reject_deposit(
        caller=support(), escrow_id=escrow.pk, deposit_id=deposit.pk, note="Nothing came."
    )
    assert result.deposit.status == DepositStatus.FAILED
    with pytest.raises(InvalidState), transaction.atomic():
        confirm(support(), deposit)
    actions = [entry.action for entry in audit_selectors.entries(subject=escrow.reference)]
    assert "approval.withdrawn" in actions
    assert "deposit.rejected" in actions
    assert_in_order()


def test_support_confirms_no_more_than_the_escrow_needs() -> None:
    escrow = make_escrow(E.DRAFT)
    deposit = report(as_client(escrow), escrow, 10_000)
    fund(escrow, 1)
    with pytest.raises(InvalidState), transaction.atomic():
        confirm(support(), deposit)
    # One that was left open, because so many were, is refused by itself.
    Deposit.objects.filter(pk=deposit.pk).update(status=DepositStatus.PENDING)
    with pytest.raises(EscrowOverFunded), transaction.atomic():
        confirm(support(), deposit)


def test_no_confirmation_in_a_dispute_or_after_the_end() -> None:
    disputed = make_escrow(E.DRAFT)
    deposit = report(as_client(disputed), disputed, 10_000)
    Escrow.objects.filter(pk=disputed.pk).update(status=E.DISPUTED)
    with pytest.raises(InvalidState), transaction.atomic():
        confirm(support(), deposit)
    ended = make_escrow(E.DRAFT)
    late = report(as_client(ended), ended, 10_000)
    cancel_escrow(caller=as_client(ended), escrow_id=ended.pk, said=Said())
    with pytest.raises(InvalidState) as refusal, transaction.atomic():
        confirm(support(), late)
    assert refusal.value.details == {"current": "FAILED"}
    assert held_in_ledger(ended) == 0


def test_parties_and_people_of_the_escrow_do_not_confirm() -> None:
    escrow = make_escrow(E.DRAFT)
    deposit = report(as_client(escrow), escrow, 10_000)
    for caller in (as_client(escrow), as_provider(escrow)):
        with pytest.raises(EscrowRoleForbidden), transaction.atomic():
            confirm(caller, deposit)
    with pytest.raises(OwnEscrowForbidden), transaction.atomic():
        confirm(make_caller(Scope.SUPPORT, escrow.client), deposit)


def test_a_deposit_is_found_on_its_own_escrow_only() -> None:
    escrow, other = make_escrow(E.DRAFT), make_escrow(E.DRAFT)
    deposit = report(as_client(escrow), escrow, 1)
    with pytest.raises(DepositNotFound), transaction.atomic():
        confirm_deposit(caller=support(), escrow_id=other.pk, deposit_id=deposit.pk)


def test_a_deposit_that_nobody_confirms_fails_after_fourteen_days() -> None:
    with clock.frozen(NOON):
        escrow = make_escrow(E.DRAFT)
        old = report(as_client(escrow), escrow, 1_000)
        clock.advance(timedelta(hours=1))
        young = report(as_client(escrow), escrow, 2_000)
        clock.advance(timedelta(days=14, minutes=-1))
        run = run_exclusively("pending_deposits", expire_deposits)
        assert run is not None
        assert run.result == {"expired": 1}
        for deposit in (old, young):
            deposit.refresh_from_db()
        assert (old.status, young.status) == (DepositStatus.FAILED, DepositStatus.PENDING)
        assert expire_deposits(_still()) == {"expired": 0}


def test_one_deposit_that_cannot_expire_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with clock.frozen(NOON):
        broken, sound = make_escrow(E.DRAFT), make_escrow(E.DRAFT)
        stuck = report(as_client(broken), broken, 1_000)
        waiting = report(as_client(sound), sound, 1_000)
        clock.advance(timedelta(days=14, minutes=1))
        real = selectors.lock_escrow

        def fail_once(escrow_id: int) -> Escrow:
            if escrow_id == broken.pk:
                raise InvalidState
            return real(escrow_id)

        monkeypatch.setattr("escrow.selectors.lock_escrow", fail_once)
        with pytest.raises(Exception, match=str(stuck.pk)):
            run_exclusively("pending_deposits", expire_deposits)
        waiting.refresh_from_db()
        assert waiting.status == DepositStatus.FAILED


def _still() -> Any:
    class Still:
        def beat(self) -> None:
            """Nothing to keep."""

    return Still()


# --- what a PSP reports -------------------------------------------------------------------------


def test_reported_money_funds_the_escrow_and_starts_the_psps_clock() -> None:
    with clock.frozen(NOON):
        escrow = make_escrow(E.DRAFT)
        charge_ref = fund(escrow, 10_000)
        assert escrow.status == E.FUNDED
        assert escrow.psp_hold_ends_at == NOON + timedelta(days=90)
        deposit = Deposit.objects.get()
        assert (deposit.source, deposit.charge_ref) == ("psp:fake", charge_ref)
        assert_in_order()


def test_reported_money_confirms_the_deposit_that_announced_it() -> None:
    escrow = make_escrow(E.DRAFT)
    announced = report(as_client(escrow), escrow, 10_000)
    fund(escrow, 10_000)
    announced.refresh_from_db()
    assert announced.status == DepositStatus.CONFIRMED
    assert Deposit.objects.count() == 1
    assert_in_order()


def test_reported_money_withdraws_a_first_approval_of_its_announcement() -> None:
    escrow = make_escrow(E.DRAFT, amount_total_minor=1_000_001)
    announced = report(as_client(escrow), escrow, 1_000_001)
    confirm(support(), announced)
    fund(escrow, 1_000_001)
    assert not pending_approvals().exists()
    assert escrow.status == E.FUNDED


def test_an_announcement_of_more_than_is_still_missing_fails_at_once() -> None:
    escrow = make_escrow(E.DRAFT)
    too_much, fitting = (report(as_client(escrow), escrow, minor) for minor in (6_000, 5_000))
    fund(escrow, 5_000 - 1)
    for deposit in (too_much, fitting):
        deposit.refresh_from_db()
    assert (too_much.status, fitting.status) == (DepositStatus.FAILED, DepositStatus.PENDING)
    assert "beyond_need" in audit_selectors.entries(action="deposit.not_needed").get().body


def test_reported_money_of_another_amount_is_a_deposit_of_its_own() -> None:
    escrow = make_escrow(E.DRAFT)
    announced = report(as_client(escrow), escrow, 1_000)
    fund(escrow, 9_000)
    announced.refresh_from_db()
    assert announced.status == DepositStatus.PENDING
    assert escrow.funded_minor == 9_000


def test_what_the_escrow_cannot_take_is_booked_and_goes_back_with_an_alert() -> None:
    escrow = make_escrow(E.DRAFT, funded=6_000)
    fund(escrow, 5_000)
    assert (escrow.status, escrow.funded_minor) == (E.FUNDED, 10_000)
    assert payments_of(escrow) == [("refund", "psp", 1_000)]
    assert ledger.balance_minor(chart.user_funds(escrow.client_id), "EUR") == 1_000
    assert audit_selectors.alerts(type=AlertType.DEPOSIT_BEYOND_NEED).count() == 1
    assert_in_order()


def test_announced_deposits_fail_once_the_escrow_is_full_or_ended_and_their_money_is_booked() -> (
    None
):
    full, ended = make_escrow(E.DRAFT), make_escrow(E.DRAFT)
    caller = as_client(full)
    for escrow in (full, ended):
        for amount_minor in (10_000, 4_000):
            report(as_client(escrow), escrow, amount_minor)
    report(caller, full, 4_000)
    fund(full, 6_000)
    fund(full, 4_000)
    cancel_escrow(caller=as_client(ended), escrow_id=ended.pk, said=Said())
    failed = [10_000, 4_000]
    for escrow, reasons in (
        (full, ["beyond_need", "escrow_full"]),
        (ended, ["escrow_closed", "escrow_closed"]),
    ):
        found = Deposit.objects.filter(escrow=escrow, status=DepositStatus.FAILED)
        assert list(found.order_by("pk").values_list("amount_minor", flat=True)) == failed
        told = audit_selectors.timeline(escrow.reference, [Action.DEPOSIT_NOT_NEEDED])
        assert [json.loads(entry.body)["reason"] for entry in told] == reasons
    assert full.status == E.FUNDED
    assert not Deposit.objects.filter(status=DepositStatus.PENDING).exists()
    with pytest.raises(EscrowOverFunded), transaction.atomic():
        report(caller, full, 1)

    fund(full, 10_000)
    fund(ended, 4_000)

    for escrow, surplus_minor in ((full, 10_000), (ended, 4_000)):
        assert ledger.balance_minor(chart.user_funds(escrow.client_id), "EUR") == surplus_minor
        assert payments_of(escrow)[-1] == ("refund", "psp", surplus_minor)
    assert_in_order()


@pytest.mark.parametrize("status", [E.DISPUTED, E.RELEASED, E.REFUNDED, E.CANCELLED])
def test_money_for_a_frozen_or_ended_escrow_goes_to_the_senders_own_funds(
    status: EscrowStatus,
) -> None:
    escrow = make_escrow(status)
    before = escrow.funded_minor
    fund(escrow, 5_000)
    assert (escrow.status, escrow.funded_minor) == (status, before)
    assert payments_of(escrow)[-1] == ("refund", "psp", 5_000)
    assert_in_order()


def test_money_that_comes_after_the_deadline_meets_a_cancelled_escrow() -> None:
    with clock.frozen(NOON):
        escrow = make_escrow(E.DRAFT, deadline_at=NOON + timedelta(days=1))
        clock.advance(timedelta(days=2))
        fund(escrow, 10_000)
        assert (escrow.status, escrow.funded_minor) == (E.CANCELLED, 0)
        assert payments_of(escrow) == [("refund", "psp", 10_000)]
        assert_in_order()


# --- the database's own guards ------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"released_minor": 10_001},
        {"refunded_minor": -1},
        {"funded_minor": 10_001},
        {"amount_total_minor": 0},
        {"inspection_hours": 23},
    ],
)
def test_the_database_refuses_totals_that_cannot_be(change: dict[str, int]) -> None:
    escrow = make_escrow()
    with pytest.raises(IntegrityError), transaction.atomic():
        Escrow.objects.filter(pk=escrow.pk).update(**change)


def test_the_database_refuses_to_book_one_charge_twice() -> None:
    escrow = make_escrow(E.DRAFT, funded=1_000)
    twin = Deposit.objects.get()
    twin.pk = None
    twin._state.adding = True
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()
    assert Deposit.objects.filter(escrow=escrow).count() == 1
