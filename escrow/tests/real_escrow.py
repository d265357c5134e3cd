"""The commands of the plain model on the services, and whether both are where the other is."""

from datetime import timedelta
from itertools import count

from escrow.errors import MilestoneNotFound, ResolutionNotBalanced
from escrow.models import Escrow, EscrowStatus
from escrow.services.acceptance import approve_escrow, reject_escrow
from escrow.services.deadlines import apply_due
from escrow.services.deliveries import mark_delivered
from escrow.services.deposits import report_deposit
from escrow.services.disputes import open_dispute, resolve_dispute
from escrow.services.evidence import (
    begin_review,
    lock_for_decision,
    lock_open_milestone,
    reject_evidence,
    release_milestone,
)
from escrow.services.journal import Said
from escrow.services.refunds import refund_escrow
from escrow.tests.factories import as_provider, make_escrow, minor_of
from escrow.tests.plain_model import DEADLINE, INSPECTION, MANDATE, PlainEscrow, Refused
from kobatela.accounts.tests.factories import make_caller, make_key, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from payments.models import Chargeback, Funding, Payment
from payments.psp.base import OrderState
from payments.selectors import payments_of
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.tests.factories import charge, report, take_event
from payments.tests.stub_psp import StubPsp
from spend.models import Purchase
from spend.services.refunds import refund_purchase
from spend.tests.factories import buy, make_mandate, make_merchant, make_payee, pay

proofs = count(1_000_000)
_cases = count(1)


class RealEscrow:
    """An escrow that the services keep, at a moment of its own; the names are the model's."""

    def __init__(self, total: int, parts: list[int], on_deadline: str, psp: StubPsp) -> None:
        self.psp = psp
        self.now = clock.now()
        with clock.frozen(self.now):
            self.escrow = make_escrow(
                EscrowStatus.DRAFT,
                amount_total_minor=total,
                milestones=parts,
                deadline_at=self.now + DEADLINE,
                on_deadline=on_deadline,
                inspection_hours=INSPECTION // timedelta(hours=1),
            )
            key, _ = make_key(Scope.SENDER, self.escrow.client, may_confirm_deposits=True)
            self.client = make_caller(
                Scope.SENDER, self.escrow.client, key_id=key.pk, may_confirm_deposits=True
            )
            self.provider = as_provider(self.escrow)
            self.payee = make_payee(self.escrow)
            self.merchant = make_merchant()
            self.mandate = make_mandate(
                escrow=self.escrow,
                total_minor=MANDATE,
                expires_at=self.now + timedelta(days=3_650),
            )

    # --- What people do -------------------------------------------------------------------------
    def deposit(self, amount: int) -> None:
        report_deposit(caller=self.client, escrow_id=self.escrow.pk, amount_in=minor_of(amount))

    def prove(self) -> None:
        index = self._current_index()
        escrow, milestone = lock_open_milestone(escrow_id=self.escrow.pk, milestone_idx=index)
        begin_review(
            escrow=escrow,
            milestone=milestone,
            has_file=True,
            submitted_at=clock.now(),
            actor=self.provider.actor,
        )

    def decide(self, *, accept: bool) -> None:
        milestone = self.escrow.milestones.filter(sequence_index=self._current_index()).first()
        if milestone is None:
            raise MilestoneNotFound
        escrow, locked = lock_for_decision(escrow_id=self.escrow.pk, milestone_id=milestone.pk)
        if accept:
            release_milestone(
                escrow=escrow, milestone=locked, proof_id=next(proofs), actor="staff:1"
            )
        else:
            reject_evidence(escrow=escrow, milestone=locked, actor="staff:1")

    def approve(self) -> None:
        approve_escrow(caller=self.client, escrow_id=self.escrow.pk, said=Said())

    def turn_down(self) -> None:
        reject_escrow(caller=self.client, escrow_id=self.escrow.pk, said=Said())

    def give_back(self) -> None:
        refund_escrow(caller=self.provider, escrow_id=self.escrow.pk, amount_in=None)

    def take_out(self, amount: int) -> None:
        refund_escrow(caller=self.client, escrow_id=self.escrow.pk, amount_in=minor_of(amount))

    def deliver(self) -> None:
        mark_delivered(caller=self.provider, escrow_id=self.escrow.pk, said=Said())

    def dispute(self) -> None:
        open_dispute(caller=self.provider, escrow_id=self.escrow.pk, said=Said())

    def resolve(self, release: int) -> None:
        self.escrow.refresh_from_db()
        if release > self.escrow.held_minor:
            raise ResolutionNotBalanced
        resolve_dispute(
            caller=make_caller(Scope.SUPPORT, make_user()),
            escrow_id=self.escrow.pk,
            release_in=minor_of(release),
            refund_in=minor_of(self.escrow.held_minor - release),
            note="Heard both.",
        )

    # --- Spending -------------------------------------------------------------------------------
    def spend(self, amount: int) -> None:
        pay(self.payee, amount, caller=self.client)

    def buy(self, amount: int) -> None:
        buy(self.mandate, amount, self.merchant)

    def bring_back(self, number: int) -> None:
        found = list(Purchase.objects.filter(escrow=self.escrow).order_by("pk"))
        if not found:
            raise Refused
        refund_purchase(caller=self.client, purchase_id=found[number % len(found)].pk)

    # --- What PSPs and banks do -----------------------------------------------------------------
    def report(self, amount: int) -> None:
        charge(Escrow.objects.get(pk=self.escrow.pk), amount)

    def contest(self, number: int, amount: int) -> None:
        charges = list(Funding.objects.filter(escrow=self.escrow).order_by("pk"))
        if not charges:
            raise Refused
        self._told(
            "opened",
            psp_ref=f"cb_model_{next(_cases)}",
            payment_reference=charges[number % len(charges)].psp_ref,
            amount=f"{amount / 100:.2f}",
            currency=self.escrow.currency,
        )

    def judge(self, number: int, *, is_won: bool) -> None:
        cases = list(Chargeback.objects.filter(escrow=self.escrow, status="OPEN").order_by("pk"))
        if not cases:
            raise Refused
        self._told("won" if is_won else "lost", psp_ref=cases[number % len(cases)].psp_ref)

    def send(self, number: int) -> None:
        payment = self._order_at(number, "PENDING")
        send_payment(payment_id=payment.pk)
        payment.refresh_from_db()
        if payment.status != "SENT":
            raise Refused

    def settle(self, number: int) -> None:
        report(self._order_at(number, "SENT"), OrderState.SETTLED)

    def fail(self, number: int) -> None:
        report(self._order_at(number, "SENT"), OrderState.FAILED)

    def come_back(self, number: int) -> None:
        report(self._order_at(number, "SETTLED"), OrderState.RETURNED)

    def execute(self, number: int) -> None:
        execute_payment(payment_id=self._order_at(number).pk, caller=self.client)

    # --- Time -----------------------------------------------------------------------------------
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    def act(self) -> None:
        apply_due(escrow_id=self.escrow.pk)

    def _told(self, what: str, **fields: str | None) -> None:
        if take_event(f"chargeback.{what}", **fields).status != "PROCESSED":
            raise Refused

    def _order_at(self, number: int, status: str | None = None) -> Payment:
        """One of the payments that a PSP makes; it acts on those in one state only."""
        found = list(payments_of(self.escrow.pk).filter(method="psp").order_by("pk"))
        payment = found[number % len(found)] if found else None
        if payment is None or status not in {None, payment.status}:
            raise Refused
        return payment

    def _current_index(self) -> int:
        undecided = self.escrow.milestones.filter(
            status__in=["WAITING", "PENDING_REVIEW", "REJECTED"]
        )
        indexes = undecided.order_by("sequence_index").values_list("sequence_index", flat=True)
        return indexes.first() or 1


def assert_agrees(real: RealEscrow, plain: PlainEscrow) -> None:
    """The escrow, its milestones, its payments and its cases are what the model says."""
    escrow = Escrow.objects.get(pk=real.escrow.pk)
    assert (
        escrow.status,
        escrow.funded_minor,
        escrow.released_minor,
        escrow.refunded_minor,
        escrow.frozen_minor,
    ) == (plain.status, plain.funded, plain.released, plain.refunded, plain.frozen)
    milestones = escrow.milestones.order_by("sequence_index")
    assert [item.status for item in milestones] == [part.status for part in plain.parts]
    assert [
        (item.kind, item.amount_minor, item.status, item.hold_reason)
        for item in payments_of(escrow.pk).order_by("pk")
    ] == [(item.kind, item.amount, item.status, item.hold) for item in plain.payments]
    cases = Chargeback.objects.filter(escrow=escrow).order_by("pk")
    assert [
        (case.status, case.frozen_minor, case.owed_minor, case.recovered_minor) for case in cases
    ] == [(case.status, case.frozen, case.owed, case.recovered) for case in plain.cases]
