"""Many hands on one escrow at the same moment, on real PostgreSQL."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction

from escrow import hooks
from escrow.errors import EscrowNotFound
from escrow.models import Escrow, EscrowStatus, MilestoneStatus
from escrow.rules import TERMINAL
from escrow.selectors import lock_escrow
from escrow.services.acceptance import approve_escrow, reject_escrow
from escrow.services.deadlines import apply_due
from escrow.services.deposits import report_deposit
from escrow.services.disputes import open_dispute
from escrow.services.evidence import (
    begin_review,
    lock_for_decision,
    lock_open_milestone,
    reject_evidence,
    release_milestone,
)
from escrow.services.journal import Said
from escrow.services.refunds import refund_escrow
from escrow.tests.books import assert_in_order
from escrow.tests.factories import as_provider, fund, make_escrow, minor_of
from escrow.tests.side_by_side import IS_SOAK, side_by_side
from kobatela.accounts.tests.factories import make_caller, make_key, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import DomainError
from kobatela.rest.tests.client import Answer, Api
from payments.selectors import payments_of

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]
THREADS = 16
ROUNDS = 200 if IS_SOAK else 12
CLIENTS, KEYS = 32, 50

# Refusals of the ledger that no command may ever run into while the escrow is locked.
GUARDS = {"ALREADY_POSTED", "INSUFFICIENT_FUNDS"}


@dataclass
class Round:
    """One escrow and everything that may happen to it at once."""

    escrow: Escrow
    client: Caller
    provider: Caller
    proofs: "count[int]" = field(default_factory=lambda: count(1_000))

    def actions(self, chance: random.Random) -> list[Callable[[], str]]:
        """Sixteen acts, drawn by chance."""
        possible: list[Callable[[], Any]] = [
            self.deposit,
            self.deposit,
            self.report,
            self.approve,
            self.reject,
            self.give_back,
            self.take_part_back,
            self.dispute,
            self.prove,
            partial(self.decide, accept=True),
            partial(self.decide, accept=False),
        ]
        return [partial(_outcome, chance.choice(possible)) for _ in range(THREADS)]

    def deposit(self) -> None:
        """A collector reports a third."""
        report_deposit(caller=self.client, escrow_id=self.escrow.pk, amount_in=minor_of(3_000))

    def report(self) -> None:
        """A PSP reports half, whatever is missing."""
        with transaction.atomic():
            fund(Escrow.objects.get(pk=self.escrow.pk), 5_000)

    def approve(self) -> None:
        """The client accepts everything."""
        approve_escrow(caller=self.client, escrow_id=self.escrow.pk, said=Said())

    def reject(self) -> None:
        """The client refuses."""
        reject_escrow(caller=self.client, escrow_id=self.escrow.pk, said=Said())

    def give_back(self) -> None:
        """The provider gives everything back."""
        refund_escrow(caller=self.provider, escrow_id=self.escrow.pk, amount_in=None)

    def take_part_back(self) -> None:
        """The client takes out a little."""
        refund_escrow(caller=self.client, escrow_id=self.escrow.pk, amount_in=minor_of(500))

    def dispute(self) -> None:
        """The provider disputes."""
        open_dispute(caller=self.provider, escrow_id=self.escrow.pk, said=Said())

    def prove(self) -> None:
        """A proof arrives for the first milestone."""
        with transaction.atomic():
            escrow, milestone = lock_open_milestone(escrow_id=self.escrow.pk, milestone_idx=1)
            begin_review(
                escrow=escrow,
                milestone=milestone,
                has_file=True,
                submitted_at=clock.now(),
                actor=self.provider.actor,
            )

    def decide(self, *, accept: bool) -> None:
        """Somebody decides the proof of the first milestone."""
        first = self.escrow.milestones.get(sequence_index=1)
        with transaction.atomic():
            escrow, milestone = lock_for_decision(escrow_id=self.escrow.pk, milestone_id=first.pk)
            if accept:
                release_milestone(
                    escrow=escrow,
                    milestone=milestone,
                    proof_id=self.escrow.pk * 10_000 + next(self.proofs),
                    actor="staff:1",
                )
            else:
                reject_evidence(escrow=escrow, milestone=milestone, actor="staff:1")


def _outcome(act: Callable[[], Any]) -> str:
    try:
        with transaction.atomic():
            act()
    except DomainError as refusal:
        return refusal.code
    except DatabaseError as error:
        # The guards of the database are the last line: reaching them means that a lock is missing.
        return f"DATABASE: {type(error).__name__}: {error}"
    return "done"


class _Silent:
    """Evidence is not what is tried here, and a list shared by threads would be."""

    def milestone_decided_by_client(self, escrow_id: int, milestone_id: int, actor: str) -> None:
        """Nothing is kept."""

    def escrow_disputed(self, escrow_id: int, actor: str) -> None:
        """Nothing is kept."""

    def escrow_closed(self, escrow_id: int, actor: str) -> None:
        """Nothing is kept."""


def a_round(number: int) -> Round:
    status, funded = [
        (EscrowStatus.DRAFT, 0),
        (EscrowStatus.DRAFT, 5_000),
        (EscrowStatus.FUNDED, 10_000),
    ][number % 3]
    escrow = make_escrow(status, funded=funded, milestones=[4_000, 2_000])
    key, _ = make_key(Scope.SENDER, escrow.client, may_confirm_deposits=True)
    client = make_caller(Scope.SENDER, escrow.client, key_id=key.pk, may_confirm_deposits=True)
    return Round(escrow, client, as_provider(escrow))


def test_sixteen_hands_on_one_escrow_leave_one_outcome_and_balanced_books(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hooks, "_handlers", [_Silent()])
    chance = random.Random(20_260_301)  # noqa: S311 - a drawn order of acts, no secret
    for number in range(ROUNDS):
        tried = a_round(number)
        outcomes = side_by_side(tried.actions(chance))
        assert set(outcomes).isdisjoint(GUARDS)
        assert [item for item in outcomes if item.startswith("DATABASE")] == []
        _has_one_outcome(tried.escrow)
    assert_in_order()


def _has_one_outcome(escrow: Escrow) -> None:
    escrow.refresh_from_db()
    out_minor = sum(payment.amount_minor for payment in payments_of(escrow.pk))
    assert escrow.held_minor >= 0
    surplus_minor = sum(
        payment.amount_minor
        for payment in payments_of(escrow.pk)
        if payment.business_key.startswith("funding:")
    )
    assert out_minor - surplus_minor == escrow.released_minor + escrow.refunded_minor
    if escrow.status in TERMINAL:
        assert escrow.held_minor == 0
    paid = payments_of(escrow.pk).filter(kind="payout", milestone__isnull=False)
    approved = escrow.milestones.filter(status=MilestoneStatus.APPROVED)
    assert sorted(paid.values_list("milestone_id", flat=True)) == sorted(
        approved.values_list("pk", flat=True)
    )


def test_one_key_has_one_effect_however_many_clients_send_it() -> None:
    escrow = make_escrow(EscrowStatus.DRAFT, amount_total_minor=KEYS * 100 + 1)
    _, secret = make_key(Scope.SENDER, escrow.client, may_confirm_deposits=True)
    path = f"/escrows/{escrow.pk}/deposit"

    def send_all(order: list[int]) -> list[tuple[int, Answer]]:
        api = Api(secret)
        return [(number, _send_until_answered(api, path, f"key-{number}")) for number in order]

    orders = [
        random.Random(client).sample(range(KEYS), KEYS)  # noqa: S311 - a drawn order, no secret
        for client in range(CLIENTS)
    ]
    answers = [
        answer
        for sent in side_by_side([partial(send_all, order) for order in orders])
        for answer in sent
    ]

    assert {answer.status for _, answer in answers} == {200}
    bodies = {(number, answer.body) for number, answer in answers}
    assert len(bodies) == KEYS
    escrow.refresh_from_db()
    assert escrow.deposits.count() == KEYS
    assert escrow.funded_minor == KEYS * 100
    assert_in_order()


def _send_until_answered(api: Api, path: str, key: str) -> Answer:
    while True:
        answer = api.post(path, json={"amount": "1.00"}, idempotency_key=key)
        if not (answer.status == 409 and answer.code == "REQUEST_IN_PROGRESS"):
            return answer


def test_a_key_never_confirms_more_than_its_limit_on_many_escrows_at_once() -> None:
    first = make_escrow(EscrowStatus.DRAFT)
    client = first.client
    key, _ = make_key(
        Scope.SENDER, client, may_confirm_deposits=True, confirm_limit={"EUR": "50.00"}
    )
    caller = make_caller(Scope.SENDER, client, key_id=key.pk, may_confirm_deposits=True)
    escrows = [first] + [make_escrow(EscrowStatus.DRAFT, client=client) for _ in range(15)]

    def deposit(escrow: Escrow) -> str:
        report_deposit(caller=caller, escrow_id=escrow.pk, amount_in=minor_of(1_000))
        return "done"

    side_by_side([partial(deposit, escrow) for escrow in escrows])
    assert sum(Escrow.objects.values_list("funded_minor", flat=True)) == 5_000
    assert_in_order()


def test_one_passed_deadline_acts_once_however_many_look() -> None:
    escrow = make_escrow(deadline_at=clock.now() + timedelta(seconds=60))
    with clock.frozen(clock.now() + timedelta(seconds=61)):
        applied = side_by_side([partial(apply_due, escrow_id=escrow.pk)] * 8)
    assert sorted(applied) == [False] * 7 + [True]
    assert [item.kind for item in payments_of(escrow.pk)] == ["refund"]
    assert_in_order()


def test_a_stranger_does_not_wait_for_an_escrow_that_somebody_works_on() -> None:
    # Who had to wait would learn that it is there, and would keep its parties waiting in turn.
    escrow = make_escrow()
    stranger = make_caller(Scope.SENDER, make_user())
    held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            lock_escrow(escrow.pk)
            held.set()
            may_end.wait(timeout=30)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(timeout=30)
        with pytest.raises(EscrowNotFound):
            approve_escrow(caller=stranger, escrow_id=escrow.pk, said=Said())
    finally:
        may_end.set()
        holder.join()
