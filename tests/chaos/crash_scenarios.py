"""For every crash point a piece of work that passes it, and what must hold after it died there.

Each scenario prepares, lets the work die, does what the world does then (a client repeats its
request, the sweeper comes by) and asserts that the effect is there exactly once.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from unittest import mock

import httpx
from django.conf import settings
from django.test import override_settings

from audit.models import Alert, AuditEntry, JobLock, JobRun
from escrow import tasks as escrow_tasks
from escrow.models import Deposit
from escrow.services.deadlines import apply_due
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_caller, make_staff_caller, make_user
from kobatela.embedded.sample_documents import make_invoice_pdf
from kobatela.kernel import clock
from kobatela.kernel.crashpoints import Ending
from kobatela.kernel.money import Money
from kobatela.rest.tests.client import Answer
from kobatela.uploads.models import Upload
from kobatela.uploads.services.files import purge_unused
from payments import tasks as payment_tasks
from payments.errors import PaymentMayBeKnown
from payments.models import Attempt, Destination, Funding, Payment, PspEvent
from payments.psp import registry
from payments.services import sweeps
from payments.services.batch_files import release_file
from payments.services.events import process_event
from payments.services.fundings import look_up_funding
from payments.services.funds import approve_move, propose_move
from payments.services.holds import hold_payment, lift_hold
from payments.services.never_received import say_never_received
from payments.services.payouts import execute_payment
from payments.services.sending import GIVE_UP_AFTER, send_payment
from payments.services.statements import import_statement
from payments.services.stripe_accounts import open_account_link
from payments.tests.batches import lines, make_batch, statement_of
from proofs.advisor.reply import Missing, Reply
from proofs.models import DocumentReading, Proof
from proofs.services import advising
from proofs.services.derivatives import make_derivative, sweep_derivatives
from proofs.services.reading import LEASE, read_document
from proofs.tests.factories import INVOICE_TEXT
from tests.chaos.dying import Die, dying_at
from tests.house import (
    House,
    balances,
    books_agree,
    ok,
    person,
    photo,
    photo_milestone,
    refused,
    uploaded,
)

Scenario = Callable[[House, Die], None]

AMOUNT = "100.00"
_PATIENCE_S = 20.0


# --- Payouts ------------------------------------------------------------------------------------
def payout(house: House, die: Die) -> None:
    """A payment is sent."""
    payment = released(house)
    die(lambda: send_payment(payment_id=payment.pk))
    assert_paid_once(house, payment)


def payout_looked_up(house: House, die: Die) -> None:
    """Somebody asks the PSP about a payment that a dead worker left behind."""
    payment = released(house)
    dying_at("payment.claimed", Ending.KILL)(lambda: send_payment(payment_id=payment.pk))
    make_due()
    die(lambda: send_payment(payment_id=payment.pk))
    assert_paid_once(house, payment)


def event(house: House, die: Die) -> None:
    """The PSP's report of a payment has its effect."""
    payment, event_id = _reported(house)
    die(lambda: process_event(event_id=event_id))
    assert_paid_once(house, payment)


def swept_event(house: House, die: Die) -> None:
    """The sweeper finds a report whose doorbell nobody heard."""
    payment, _ = _reported(house)
    make_due()
    die(sweeps.sweep)
    assert_paid_once(house, payment)


# --- Fundings -----------------------------------------------------------------------------------
def funding_session(house: House, die: Die) -> None:
    """A sender asks for a session; the PSP is called in between."""
    escrow_id = house.agree(photo_milestone(1, AMOUNT), total=AMOUNT)
    path, key = f"/escrows/{escrow_id}/funding-session", secrets.token_hex(8)
    die(lambda: house.sender.api.post(path, idempotency_key=key))

    session = ok(repeated(lambda: house.sender.api.post(path, idempotency_key=key)), 201)

    house.psp.pay(session)
    house.work_until(lambda: house.escrow(escrow_id)["status"] == "FUNDED")
    _assert_funded_once(house, escrow_id)


def funding_looked_up(house: House, die: Die) -> None:
    """The report of a paid session is lost, and somebody asks the PSP."""
    escrow_id = house.agree(photo_milestone(1, AMOUNT), total=AMOUNT)
    house.psp.pay(ok(house.sender.api.post(f"/escrows/{escrow_id}/funding-session"), 201))
    report = house.psp.reports.get(timeout=_PATIENCE_S)
    funding = Funding.objects.get(escrow=escrow_id)
    die(lambda: look_up_funding(funding_id=funding.pk))

    look_up_funding(funding_id=funding.pk)

    _assert_funded_once(house, escrow_id)
    house.psp.reports.put(report)
    house.work()
    _assert_funded_once(house, escrow_id)


# --- Commands over HTTP -------------------------------------------------------------------------
def decision(house: House, die: Die) -> None:
    """A command without an Idempotency-Key; the proof itself is the key."""
    escrow_id = _funded(house)
    claim = {
        "escrow_id": escrow_id,
        "milestone_idx": 1,
        "type": "PHOTO",
        "storage_url": "https://photos.example.org/site.jpg",
        "sha256": "0" * 64,
    }
    proof_id = ok(house.provider.api.post("/proofs", json=claim), 201)["id"]
    die(lambda: house.decide(proof_id, "approve", house.support, "Seen on the site."))

    decided = repeated(lambda: house.decide(proof_id, "approve", house.support, "Seen again."))

    assert ok(decided)["status"] == "APPROVED"
    assert_paid_once(house, Payment.objects.get(escrow=escrow_id))
    assert house.trail(escrow_id)["proof.approved"] == 1


def deposit(house: House, die: Die) -> None:
    """A command with an Idempotency-Key."""
    escrow_id = house.agree(photo_milestone(1, AMOUNT), total=AMOUNT)
    ask = _deposit_of(house, escrow_id, AMOUNT)
    die(ask)

    answer = ok(repeated(ask))

    assert (answer["status"], answer["funded_total"]) == ("FUNDED", AMOUNT)
    again = ask()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == answer
    assert Deposit.objects.filter(escrow=escrow_id).count() == 1
    assert house.trail(escrow_id)["deposit.confirmed"] == 1


def refusal(house: House, die: Die) -> None:
    """A command that is refused, which its key remembers."""
    escrow_id = house.agree(photo_milestone(1, AMOUNT), total=AMOUNT)
    ask = _deposit_of(house, escrow_id, "100.01")
    die(ask)

    first = repeated(ask)

    refused(first, 409, "ESCROW_OVER_FUNDED")
    again = ask()
    assert (again.body, again.headers["Idempotent-Replayed"]) == (first.body, "true")
    assert not Deposit.objects.filter(escrow=escrow_id).exists()


# --- Jobs ---------------------------------------------------------------------------------------
def job(house: House, die: Die) -> None:
    """A job that holds its lock; another process takes it over when the lock ran out."""
    payment = released(house)
    make_due()
    die(payment_tasks.sweep_payments)
    owner = JobLock.objects.get(pk="payment_sweep").owner
    assert owner
    payment_tasks.sweep_payments()
    assert JobLock.objects.get(pk="payment_sweep").owner == owner, "held until it runs out"

    _locks_run_out()
    payment_tasks.sweep_payments()

    assert JobRun.objects.get(owner=owner).status == "LOST"
    assert Alert.objects.get(subject="job:payment_sweep").type == "JOB_LOCK_STALE"
    assert_paid_once(house, payment)


def deadline(house: House, die: Die) -> None:
    """A deadline that has passed gives the money back."""
    escrow_id = _funded(house)
    with clock.frozen(clock.now() + timedelta(days=400)):
        die(lambda: apply_due(escrow_id=escrow_id))
        apply_due(escrow_id=escrow_id)
    assert house.escrow(escrow_id)["status"] == "REFUNDED"
    assert house.trail(escrow_id)["escrow.refunded"] == 1
    assert Payment.objects.filter(escrow=escrow_id).count() == 1


def deposit_expiry(house: House, die: Die) -> None:
    """A deposit that nobody confirmed."""
    house.sender = person("sender")
    escrow_id = house.agree(photo_milestone(1, AMOUNT), total=AMOUNT)
    ok(_deposit_of(house, escrow_id, AMOUNT)())
    with clock.frozen(clock.now() + timedelta(days=15)):
        die(escrow_tasks.expire_deposits)
        assert Deposit.objects.get(escrow=escrow_id).status == "PENDING"
        _locks_run_out()
        escrow_tasks.expire_deposits()
    assert Deposit.objects.get(escrow=escrow_id).status == "FAILED"
    assert house.trail(escrow_id)["deposit.expired"] == 1


# --- Files and what is kept apart ---------------------------------------------------------------
def proof_file(house: House, die: Die) -> None:
    """A file is kept before the row that names it."""
    escrow_id, picture, key = _funded(house), photo(), secrets.token_hex(8)
    fields = {"escrow_id": escrow_id, "milestone_idx": 1, "type": "PHOTO"}

    def send() -> Answer:
        files = {"file": uploaded("site.jpg", picture, "image/jpeg")}
        return house.provider.api.post("/proofs", fields=fields, files=files, idempotency_key=key)

    before = _files()
    die(send)
    (orphan,) = _files() - before

    assert ok(repeated(send), 201)["status"] == "APPROVED"

    assert Proof.objects.filter(escrow=escrow_id).count() == 1
    with clock.frozen(clock.now() + timedelta(hours=25)):
        purge_unused()
    left = _files()
    assert orphan not in left
    assert len(left - before) == 1
    assert_paid_once(house, Payment.objects.get(escrow=escrow_id))


def file_expiry(house: House, die: Die) -> None:
    """An upload that nobody used loses its row before its file."""
    before = _files()
    files = {"file": uploaded("site.jpg", photo(), "image/jpeg")}
    upload_id = ok(house.provider.api.post("/files/proofs", files=files), 201)["upload_id"]
    with clock.frozen(clock.now() + timedelta(hours=25)):
        die(purge_unused)
        assert not Upload.objects.filter(pk=upload_id).exists()
        assert len(_files() - before) == 1
        purge_unused()
    assert _files() - before == set()
    purged = AuditEntry.objects.filter(subject=f"upload:{upload_id}", action="upload.purged")
    assert purged.count() == 1


def derivative(house: House, die: Die) -> None:
    """A picture for showing is rendered before its row says so."""
    escrow_id = _funded(house)
    proof_id = ok(house.send_photo(escrow_id, 1, photo()), 201)["id"]
    die(lambda: make_derivative(proof_id=proof_id))
    assert Proof.objects.get(pk=proof_id).derivative == "wanted"
    with clock.frozen(clock.now() + timedelta(minutes=2)):
        sweep_derivatives(beat=lambda: None)
    assert Proof.objects.get(pk=proof_id).derivative == "done"


def advice(house: House, die: Die) -> None:
    """A model is asked about a photo; whoever asked is not waited for longer than minutes."""
    escrow_id = _funded(house)
    said = mock.patch.object(advising, "consult", return_value=(Reply(missing=Missing.TIMEOUT), ""))
    with override_settings(AI_PROOF_ADVISOR_ENABLED=True, OPENAI_API_KEY="k"), said:
        proof_id = ok(house.send_photo(escrow_id, 1, photo()), 201)["id"]
        die(lambda: advising.advise(proof_id=proof_id))
        assert advising.advise(proof_id=proof_id) is None, "its worker may be alive"
        with clock.frozen(clock.now() + timedelta(minutes=9)):
            advising.sweep_advice()
    proof = Proof.objects.get(pk=proof_id)
    assert (proof.status, proof.processing) == ("PENDING", "done")
    assert proof.review_reasons == ["AI_UNAVAILABLE"]
    assert not Payment.objects.filter(escrow=escrow_id).exists()


def document(house: House, die: Die) -> None:
    """A document is read by a worker, and by another one once the claim has run out."""
    invoice = photo_milestone(1, AMOUNT, proof_kind="INVOICE")
    escrow_id = house.agree(invoice, total=AMOUNT)
    ok(_deposit_of(house, escrow_id, AMOUNT)())
    name = f"{secrets.token_hex(8)}.pdf"
    sent = house.send(escrow_id, 1, (name, _pdf(), "application/pdf"), "INVOICE")
    proof_id = ok(sent, 201)["id"]
    die(lambda: read_document(proof_id=proof_id))
    assert read_document(proof_id=proof_id) == "reading", "its worker may be alive"
    with clock.frozen(clock.now() + LEASE):
        assert read_document(proof_id=proof_id) == "done"
    assert DocumentReading.objects.filter(proof=proof_id).count() == 1
    assert house.trail(escrow_id)["proof.document_read"] == 1


def refused_photo(house: House, die: Die) -> None:
    """What is refused leaves its entry, also when the answer never comes."""
    escrow_id, picture = _funded(house), photo(north_deg=1.0)
    die(lambda: house.send_photo(escrow_id, 1, picture))
    tries = AuditEntry.objects.filter(subject=f"escrow:{escrow_id}", action="proof.refused")
    assert tries.count() == 1
    refused(house.send_photo(escrow_id, 1, picture), 422, "GEOFENCE_VIOLATION")
    assert tries.count() == 2
    assert not Proof.objects.filter(escrow=escrow_id).exists()


class _Accounts:
    """Stands for Stripe's accounts: the same key, the same account."""

    def open_account(self, key: str, **_: object) -> str:
        """The account of a key."""
        return f"acct_{key[-16:]}"

    def onboarding_url(self, account: str) -> str:
        """The page of an account."""
        return f"https://connect.example.org/{account}"


def stripe_account(house: House, die: Die) -> None:
    """An account is opened at Stripe before its row."""
    user_id, caller = make_user().pk, make_caller("admin")
    enabled = override_settings(STRIPE_ENABLED=True, STRIPE_CONNECT_ENABLED=True)
    with enabled, mock.patch.object(registry, "connected_accounts", _Accounts):
        die(lambda: open_account_link(caller=caller, user_id=user_id))
        page = open_account_link(caller=caller, user_id=user_id)
    account = User.objects.get(pk=user_id).stripe_account_id
    assert page.endswith(f"/{account}")
    assert Destination.objects.filter(user=user_id).count() == 1


# --- What staff does ----------------------------------------------------------------------------
def batch_file(_house: House, die: Die) -> None:
    """The file of a batch is released; who missed it fetches it again."""
    batch = make_batch("APPROVED")
    staff = make_staff_caller()
    die(lambda: release_file(caller=staff, batch_id=batch.pk))

    first, again = (release_file(caller=staff, batch_id=batch.pk) for _ in range(2))

    batch.refresh_from_db()
    assert (batch.status, batch.file_sha256) == ("EXPORTED", first.sha256)
    assert again.content == first.content
    assert _told(batch.reference)["batch.exported"] == 1
    for line in lines(batch):
        assert _told(f"payment:{line.payment_id}")["payment.sent"] == 1
        assert Attempt.objects.get(payment=line.payment_id).psp_key == line.code


def batch_statement(_house: House, die: Die) -> None:
    """A statement breaks off at any of its rows, and is sent again."""
    batch = make_batch("EXPORTED")
    staff, content = make_staff_caller(), statement_of(batch, "settled", "failed")
    die(lambda: import_statement(caller=staff, batch_id=batch.pk, content=content))

    import_statement(caller=staff, batch_id=batch.pk, content=content)

    ends = {line.payment_id: line.status for line in lines(batch)}
    assert list(ends.values()) == ["SETTLED", "FAILED"]
    for payment_id, action in zip(ends, ("settled", "failed"), strict=True):
        told = _told(f"payment:{payment_id}")
        ended = [name for name in ("payment.settled", "payment.failed") for _ in range(told[name])]
        assert ended == [f"payment.{action}"]
    told = _told(batch.reference)
    assert (told["batch.statement_taken"], told["batch.closed"]) == (1, 1)
    assert books_agree()


def never_received(house: House, die: Die) -> None:
    """The PSP is asked about an order that it never got, and then the second person's word counts;
    what is executed after that is paid once."""
    payment = released(house)
    dying_at("payment.claimed", Ending.KILL)(lambda: send_payment(payment_id=payment.pk))
    first, second = make_staff_caller(), make_staff_caller()
    with clock.frozen(clock.now() + GIVE_UP_AFTER + timedelta(minutes=1)):
        say_never_received(payment_id=payment.pk, caller=first)
        die(lambda: say_never_received(payment_id=payment.pk, caller=second))
        with suppress(PaymentMayBeKnown):
            say_never_received(payment_id=payment.pk, caller=second)
    payment.refresh_from_db()
    assert (payment.status, house.psp.transfers_of(payment.pk)) == ("ERROR", [])
    assert house.trail(payment.escrow_id)["payment.failed"] == 1
    execute_payment(payment_id=payment.pk, caller=first)
    send_payment(payment_id=payment.pk)
    house.work_until(lambda: house.all_settled(payment.escrow_id))
    assert house.psp.transfers_of(payment.pk) == ["settled"]
    assert house.trail(payment.escrow_id)["payment.settled"] == 1


def move_of_funds(_house: House, die: Die) -> None:
    """The second person's word books what was put in at a PSP."""
    before = balances("psp:fake", "operator:capital")
    ask = partial(propose_move, source="operator", target="fake", bank_ref=secrets.token_hex(6))
    move = ask(caller=make_staff_caller(), money=Money(700, "EUR")).move
    second = make_staff_caller()
    die(lambda: approve_move(caller=second, move_id=move.pk))

    assert approve_move(caller=second, move_id=move.pk).move.status == "BOOKED"

    after = balances("psp:fake", "operator:capital")
    assert {name: after[name] - before.get(name, 0) for name in after} == dict.fromkeys(after, 700)
    assert _told(move.reference)["funds_move.booked"] == 1


def lifted_hold(house: House, die: Die) -> None:
    """What a person kept back goes on, however often its bell was not heard."""
    payment = released(house)
    staff = make_staff_caller()
    hold_payment(payment_id=payment.pk, caller=staff)
    die(lambda: lift_hold(payment_id=payment.pk, caller=staff))
    lift_hold(payment_id=payment.pk, caller=staff)
    assert house.trail(payment.escrow_id)["payment.hold_lifted"] == 1
    assert_paid_once(house, payment)


SCENARIOS: Mapping[str, Scenario] = {
    "payment.claim_written": payout,
    "payment.claimed": payout,
    "payment.asked": payout,
    "payment.outcome_written": payout,
    "payment.recorded": payout,
    "payment.look_written": payout_looked_up,
    "payment.not_found": payout_looked_up,
    "event.applied": event,
    "event.processed": event,
    "event.postponed": swept_event,
    "funding.created": funding_session,
    "funding.opened": funding_session,
    "funding.secret_written": funding_session,
    "funding.secret_kept": funding_session,
    "keyed.prepared": funding_session,
    "funding.look_postponed": funding_looked_up,
    "funding.looked_up": funding_looked_up,
    "funding.booked": funding_looked_up,
    "command.written": decision,
    "command.committed": decision,
    "keyed.done": deposit,
    "keyed.kept": deposit,
    "keyed.committed": deposit,
    "refusal.rolled_back": refusal,
    "refusal.committed": refusal,
    "job.begun": job,
    "job.worked": job,
    "deadline.written": deadline,
    "deadline.applied": deadline,
    "deposit.expiry_written": deposit_expiry,
    "file.kept": proof_file,
    "file.expiry_committed": file_expiry,
    "derivative.rendered": derivative,
    "advice.begun": advice,
    "advice.asked": advice,
    "document.claimed": document,
    "document.read": document,
    "entry.kept_apart": refused_photo,
    "account.opened": stripe_account,
    "batch.release_written": batch_file,
    "batch.released": batch_file,
    "statement.row_written": batch_statement,
    "statement.row_taken": batch_statement,
    "statement.written": batch_statement,
    "statement.taken": batch_statement,
    "never_received.asked": never_received,
    "never_received.written": never_received,
    "never_received.said": never_received,
    "funds_move.written": move_of_funds,
    "hold.lift_written": lifted_hold,
}
# Long ones, of which the points are passed once each: an ordinary day tries each of them once.
LONG = frozenset({batch_file, batch_statement, never_received, lifted_hold})
# The same by scenario: what one house can try is tried in one house.
POINTS_OF: Mapping[Scenario, list[str]] = {
    run: [name for name, its_run in SCENARIOS.items() if its_run is run]
    for run in SCENARIOS.values()
}


# --- What the scenarios stand on ----------------------------------------------------------------
def released(house: House) -> Payment:
    """A payout that waits to be sent; nobody has heard its bell."""
    escrow_id = _funded(house)
    ok(house.command(escrow_id, "client-approve", house.sender))
    house.doorbells.rung.clear()
    return Payment.objects.get(escrow=escrow_id)


def assert_paid_once(house: House, payment: Payment) -> None:
    """Time goes by, and the sweeper comes; then the money has arrived, once, and is told once."""

    def is_settled() -> bool:
        make_due()
        sweeps.sweep()
        payment.refresh_from_db()
        return payment.status == "SETTLED"

    house.work_until(is_settled)
    assert house.psp.transfers_of(payment.pk) == ["settled"]
    assert (payment.attempt, Payment.objects.filter(escrow=payment.escrow_id).count()) == (1, 1)
    trail = house.trail(payment.escrow_id)
    for action in ("requested", "sent", "settled"):
        assert trail[f"payment.{action}"] == 1, trail
    assert (trail["milestone.paying"], trail["milestone.paid"]) == (1, 1)
    assert house.milestones(payment.escrow_id) == {1: "PAID"}


def make_due() -> None:
    """Time goes by: whatever waits for its next look is due now."""
    now = clock.now()
    Payment.objects.filter(status="SENT").update(lease_until=now)
    Payment.objects.filter(status="PENDING").update(updated_at=now - timedelta(minutes=1))
    PspEvent.objects.filter(status__in=["RECEIVED", "WAITING"]).update(next_try_at=now)


def repeated(ask: Callable[[], Answer]) -> Answer:
    """What a client gets that repeats its request until it is answered."""
    give_up_at = time.monotonic() + _PATIENCE_S
    while True:
        answer = ask()
        is_passing = answer.status == 409 and answer.code == "REQUEST_IN_PROGRESS"
        # The server needs a moment to notice that the dead process has gone.
        if not is_passing or time.monotonic() > give_up_at:
            return answer
        time.sleep(0.02)


def _funded(house: House) -> int:
    escrow_id = house.agree(photo_milestone(1, AMOUNT), total=AMOUNT)
    ok(_deposit_of(house, escrow_id, AMOUNT)())
    return escrow_id


def _deposit_of(house: House, escrow_id: int, amount: str) -> Callable[[], Answer]:
    path, key = f"/escrows/{escrow_id}/deposit", secrets.token_hex(8)
    return lambda: house.sender.api.post(path, json={"amount": amount}, idempotency_key=key)


def _reported(house: House) -> tuple[Payment, int]:
    """A payment in transit, and the stored report that it has arrived."""
    payment = released(house)
    send_payment(payment_id=payment.pk)
    house.psp.reports.put(house.psp.reports.get(timeout=_PATIENCE_S))
    house.hand_on_reports()
    house.doorbells.rung.clear()
    return payment, PspEvent.objects.latest("pk").pk


def _assert_funded_once(house: House, escrow_id: int) -> None:
    assert house.escrow(escrow_id)["funded_total"] == AMOUNT
    deposits = Deposit.objects.filter(escrow=escrow_id)
    assert [(row.status, row.source) for row in deposits] == [("CONFIRMED", "psp:fake")]
    funding = Funding.objects.get(escrow=escrow_id)
    assert funding.status == "SUCCEEDED"
    books = httpx.get(f"{house.psp.url}/books", timeout=10).json()
    sessions = [row for row in books["fundings"] if row["metadata"]["escrow"] == str(escrow_id)]
    assert [(row["key"], row["status"]) for row in sessions] == [(funding.psp_key, "succeeded")]
    trail = house.trail(escrow_id)
    for action in ("funding.created", "funding.succeeded", "deposit.confirmed", "escrow.funded"):
        assert trail[action] == 1, trail


def _pdf() -> bytes:
    """An invoice that was never sent before."""
    return make_invoice_pdf(replace(INVOICE_TEXT, number=f"F-{secrets.token_hex(4)}"))


def _locks_run_out() -> None:
    JobLock.objects.exclude(owner="").update(expires_at=clock.now() - timedelta(seconds=1))


def _told(subject: str) -> "Counter[str]":
    """How often each action of a subject was told."""
    return Counter(AuditEntry.objects.filter(subject=subject).values_list("action", flat=True))


def _files() -> set[Path]:
    kept = Path(settings.KOBATELA_FILES_DIR)
    return {path for path in kept.rglob("*") if path.is_file() and "quarantine" not in path.parts}
