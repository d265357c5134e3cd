"""The main journey, step by step. Every step asserts what it shows; none reaches past the API."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from kobatela.embedded.sample_documents import InvoiceText, make_invoice_pdf
from kobatela.kernel import clock
from scripts.demo.client import Client, wait_for
from scripts.demo.display import Display, expect
from scripts.demo.photos import photo_at, photo_without_position

# Where the house is being built, and how far from it a photo may be taken.
SITE_LAT, SITE_LNG, FENCE_RADIUS_M = 14.693700, -17.444060, 80
TOTAL = "4500.00"
TOTAL_OF_INVOICE = "1200.00"
SUPPLIER = "Quincaillerie du Plateau"
MILESTONES: Sequence[Mapping[str, Any]] = (
    {
        "sequence_index": 1,
        "label": "Foundations poured",
        "amount": "1500.00",
        "proof_kind": "PHOTO",
        "geofence_lat": str(SITE_LAT),
        "geofence_lng": str(SITE_LNG),
        "geofence_radius_m": str(FENCE_RADIUS_M),
        "max_age_minutes": 120,
    },
    {
        "sequence_index": 2,
        "label": "Walls up to the roof",
        "amount": "1800.00",
        "proof_kind": "PHOTO",
        "geofence_lat": str(SITE_LAT),
        "geofence_lng": str(SITE_LNG),
        "geofence_radius_m": str(FENCE_RADIUS_M),
        "max_age_minutes": 120,
    },
    {
        "sequence_index": 3,
        "label": "Roof sheets bought",
        "amount": "1200.00",
        "proof_kind": "INVOICE",
        "proof_requirements": {
            "expected_amount": TOTAL_OF_INVOICE,
            "expected_currency": "EUR",
            "expected_store_name": SUPPLIER,
            "expected_iban_last4": "0189",
        },
    },
)
APPROVAL_NOTE = "The walls stand; the same plot as in the first photo."


@dataclass
class Journey:
    """What the story has made so far, and whom it speaks as."""

    credentials: Mapping[str, Any]
    var: Path
    display: Display
    admin: Client
    support: Client
    sender: Client = field(init=False)
    provider: Client = field(init=False)
    sender_id: int = 0
    provider_id: int = 0
    escrow_id: int = 0
    waiting_proof_id: int = 0

    @property
    def base_url(self) -> str:
        """Where the API of this installation answers."""
        return str(self.credentials["base_url"])

    def escrow(self) -> dict[str, Any]:
        """The escrow as its sender sees it now."""
        return self.sender.get(f"/escrows/{self.escrow_id}")

    def milestone(self, sequence_index: int) -> dict[str, Any]:
        """One milestone as the sender sees it now."""
        items = self.sender.get(f"/escrows/{self.escrow_id}/milestones")["items"]
        return next(item for item in items if item["sequence_index"] == sequence_index)


def invite_two_people(journey: Journey) -> None:
    """An admin makes two users and a key for each."""
    tag = secrets.token_hex(3)
    journey.sender_id, journey.sender = _person(journey, f"sender-{tag}", "sender")
    journey.provider_id, journey.provider = _person(journey, f"provider-{tag}", "provider")
    journey.display.say(
        "A family abroad will pay, a mason will build. Each gets a user and an API key."
    )
    journey.display.fact("sender", f"user {journey.sender_id}, sender-{tag}")
    journey.display.fact("provider", f"user {journey.provider_id}, provider-{tag}")


def _person(journey: Journey, name: str, scope: str) -> tuple[int, Client]:
    user = journey.admin.post("/users", {"username": name, "email": f"{name}@example.org"})
    key = journey.admin.post("/apikeys", {"name": name, "scope": scope, "user_id": user["id"]})
    return int(user["id"]), Client(journey.base_url, key["key"])


def agree_on_the_work(journey: Journey) -> None:
    """The sender creates the escrow with its three milestones."""
    escrow = journey.sender.post(
        "/escrows",
        {
            "client_id": journey.sender_id,
            "provider_id": journey.provider_id,
            "amount_total": TOTAL,
            "currency": "EUR",
            "release_conditions": {"work": "a house of two rooms"},
            "deadline_at": (clock.now() + timedelta(days=90)).isoformat(),
            "milestones": MILESTONES,
        },
    )
    journey.escrow_id = int(escrow["id"])
    expect(escrow["status"] == "DRAFT", f"A new escrow is {escrow['status']}, not DRAFT.")
    journey.display.say("The work is cut into milestones, each with the proof that it needs.")
    journey.display.fact("escrow", f"{escrow['id']}, {escrow['amount_total']} EUR")
    for item in MILESTONES:
        proof = item["proof_kind"].lower()
        where = f" taken within {FENCE_RADIUS_M} m of the site" if proof == "photo" else ""
        journey.display.fact(f"milestone {item['sequence_index']}", _terms(item, proof + where))


def _terms(item: Mapping[str, Any], proof: str) -> str:
    return f"{item['label']:<22} {item['amount']:>8} EUR   {proof}"


def lock_the_money(journey: Journey) -> None:
    """The payer pays at the payment provider, whose signed webhook funds the escrow."""
    session = journey.sender.post(f"/escrows/{journey.escrow_id}/funding-session", once=True)
    expect(session["amount"] == TOTAL, f"The session asks for {session['amount']}, not {TOTAL}.")
    _pay_as_the_payer(journey, session)
    escrow = wait_for(
        journey.display, "the signed webhook of the payment provider", lambda: _funded(journey)
    )
    expect(escrow["funded_total"] == TOTAL, f"Funded are {escrow['funded_total']}, not {TOTAL}.")
    expect(escrow["held_total"] == TOTAL, f"Held are {escrow['held_total']}, not {TOTAL}.")
    journey.display.say("The payment provider collected the money and said so in a signed webhook.")
    journey.display.fact("escrow", f"{escrow['status']}, held {escrow['held_total']} EUR")


def _funded(journey: Journey) -> dict[str, Any] | None:
    escrow = journey.escrow()
    return escrow if escrow["status"] == "FUNDED" else None


def _pay_as_the_payer(journey: Journey, session: Mapping[str, Any]) -> None:
    """What the payer's browser would do: go to the provider's page and pay."""
    psp = str(journey.credentials["psp"]["base_url"]).rstrip("/")
    reference = str(session["client_secret"]).partition("_secret_")[0]
    paid = httpx.post(f"{psp}/fundings/{reference}/complete", timeout=10)
    expect(paid.is_success, f"The payment provider answered {paid.status_code}: {paid.text[:300]}")


def prove_the_first_milestone(journey: Journey) -> None:
    """A photo from the site is read, checked and approved by a machine."""
    image = photo_at(SITE_LAT + 0.00012, SITE_LNG + 0.00009)
    proof = _send_photo(journey, 1, image)
    _expect_proof(proof, "APPROVED")
    expect(proof["findings"] == [], f"A clean photo has findings: {proof['findings']}")
    journey.display.say(
        "The provider sends a JPEG taken on the site. The server hashes it, reads its EXIF,"
        " measures the distance to the site, and approves it: nothing is left to doubt."
    )
    journey.display.fact(
        "photo", f"{len(image) / 1_000_000:.1f} MB, sha256 {proof['sha256'][:16]}…"
    )
    journey.display.fact("proof", f"{proof['id']} {proof['status']}")
    _show_checks(journey.display, proof)


def see_the_first_payout_settle(journey: Journey) -> None:
    """The payout goes out and the payment provider's webhook settles it."""
    _expect_paid(journey, 1, "1500.00")
    held = journey.escrow()["held_total"]
    expect(held == "3000.00", f"Held are {held}, not 3000.00.")
    journey.display.fact("still held", f"{held} EUR")


def refuse_a_photo_from_elsewhere(journey: Journey) -> None:
    """A photo taken outside the fence is refused, and nothing of it is kept."""
    image = photo_at(SITE_LAT + 0.0200, SITE_LNG)
    before = journey.provider.get("/proofs", escrow_id=journey.escrow_id)["items"]
    answer = _send_photo(journey, 2, image, status=422)
    error = answer["error"]
    expect(error["code"] == "GEOFENCE_VIOLATION", f"The refusal is {error['code']}.")
    after = journey.provider.get("/proofs", escrow_id=journey.escrow_id)["items"]
    expect(len(after) == len(before), "A refused photo left a proof behind.")
    expect(journey.milestone(2)["status"] == "WAITING", "A refused photo moved its milestone.")
    journey.display.say("For the second milestone comes a photo that was taken somewhere else.")
    journey.display.fact("refused", f"422 {error['code']}")
    journey.display.fact("because", error["message"])
    for name, value in error["details"].items():
        if "distance" in name:
            journey.display.fact("distance", f"{value} m from the site")


def send_a_photo_without_position(journey: Journey) -> None:
    """A photo without GPS is not refused: it waits for a person."""
    proof = _send_photo(journey, 2, photo_without_position())
    _expect_proof(proof, "PENDING")
    expect("MISSING_GPS" in proof["review_reasons"], f"Reasons: {proof['review_reasons']}")
    journey.waiting_proof_id = int(proof["id"])
    journey.display.say("The next one carries no position, as phones often strip it. It waits.")
    journey.display.fact("proof", f"{proof['id']} {proof['status']}")
    journey.display.fact("waits because", ", ".join(proof["review_reasons"]))


def let_a_person_decide(journey: Journey) -> None:
    """Support looks at the photo and approves it with a note; its payout settles too."""
    proof = journey.support.post(
        f"/proofs/{journey.waiting_proof_id}/decision",
        {"decision": "approve", "note": APPROVAL_NOTE},
        status=200,
    )
    _expect_proof(proof, "APPROVED")
    journey.display.say("A person of support looks at the picture and answers for it by a note.")
    journey.display.fact("note", APPROVAL_NOTE)
    _expect_paid(journey, 2, "1800.00")


def send_an_invoice(journey: Journey) -> None:
    """An invoice is read by a worker and compared with the agreement; a person decides on it."""
    number = f"F-{secrets.randbelow(900_000) + 100_000}"
    pdf = make_invoice_pdf(_invoice(number))
    sent = journey.provider.upload(
        "/proofs",
        {"escrow_id": journey.escrow_id, "milestone_idx": 3, "type": "INVOICE"},
        (f"{number}.pdf", pdf, "application/pdf"),
    )
    _expect_proof(sent, "PENDING")
    journey.display.say("Documents are always for a person. A machine reads them beforehand.")
    journey.display.fact("invoice", f"{number}, PDF of {len(pdf)} bytes, {sent['processing']}")
    proof = wait_for(
        journey.display, "a worker to read the invoice", lambda: _read(journey, int(sent["id"]))
    )
    values = {name: field["value"] for name, field in proof["fields"].items()}
    expect(values.get("total") == TOTAL_OF_INVOICE, f"The total was read as {values.get('total')}.")
    expect(values.get("number") == number, f"The number was read as {values.get('number')}.")
    failed = [check["name"] for check in proof["checks"] if check["agrees"] is not True]
    expect(not failed, f"These checks do not agree: {failed}")
    expect(proof["status"] == "PENDING", f"The invoice is {proof['status']}.")
    milestone = journey.milestone(3)
    expect(milestone["status"] == "PENDING_REVIEW", f"The milestone is {milestone['status']}.")
    queue = journey.support.get("/proofs", status="PENDING", escrow_id=journey.escrow_id)["items"]
    expect([item["id"] for item in queue] == [proof["id"]], "Support does not see the invoice.")
    journey.waiting_proof_id = int(proof["id"])
    for name in ("total", "currency", "supplier", "number", "date"):
        journey.display.fact(name, values.get(name, "not found"))
    _show_checks(journey.display, proof)
    journey.display.fact("proof", f"{proof['id']} {proof['status']}, waits for a person")
    journey.display.fact("milestone 3", milestone["status"])


def _read(journey: Journey, proof_id: int) -> dict[str, Any] | None:
    proof = journey.support.get(f"/proofs/{proof_id}")
    return proof if proof["processing"] in {"done", "failed"} else None


def _invoice(number: str) -> InvoiceText:
    return InvoiceText(
        number=number,
        issued_on=clock.now().date().isoformat(),
        supplier=SUPPLIER,
        customer="Chantier de deux pièces",
        lines=(("48 tôles ondulées, 2 m", "960,00 €"), ("Vis, faîtières, transport", "240,00 €")),
        total="1 200,00 €",
        iban="FR76 3000 6000 0112 3456 7890 189",
    )


def _send_photo(
    journey: Journey, milestone_idx: int, image: bytes, *, status: int = 201
) -> dict[str, Any]:
    journey.display.waiting("the photo to be sent, read and checked")
    return journey.provider.upload(
        "/proofs",
        {"escrow_id": journey.escrow_id, "milestone_idx": milestone_idx, "type": "PHOTO"},
        ("site.jpg", image, "image/jpeg"),
        status=status,
    )


def _expect_proof(proof: Mapping[str, Any], status: str) -> None:
    expect(
        proof["status"] == status,
        f"Proof {proof['id']} is {proof['status']}, not {status}: {proof['review_reasons']}"
        f" {proof['findings']}",
    )


def _show_checks(display: Display, proof: Mapping[str, Any]) -> None:
    for check in proof["checks"]:
        agrees = {True: "agrees", False: "differs"}.get(check["agrees"], "not checked")
        display.fact(str(check["name"]).replace("_", " "), f"{check['actual']} ({agrees})")


def _expect_paid(journey: Journey, milestone_idx: int, amount: str) -> None:
    """Wait until the milestone's only payment is SETTLED and the milestone PAID."""
    payment = wait_for(
        journey.display,
        "the payment provider to pay out and say so",
        lambda: _settled(journey, milestone_idx),
    )
    expect(payment["amount"] == amount, f"Paid were {payment['amount']}, not {amount}.")
    expect(payment["attempt"] == 1, f"It took {payment['attempt']} attempts.")
    wait_for(journey.display, "the milestone to be PAID", lambda: _paid(journey, milestone_idx))
    journey.display.say("The payout left once, and the payment provider's webhook settled it.")
    journey.display.fact("payment", f"{payment['id']} {payment['status']}, {amount} EUR")
    journey.display.fact("provider's ref", payment["psp_ref"])
    journey.display.fact(f"milestone {milestone_idx}", "PAID")


def _settled(journey: Journey, milestone_idx: int) -> dict[str, Any] | None:
    milestone_id = journey.milestone(milestone_idx)["id"]
    items = journey.sender.get("/payments", escrow_id=journey.escrow_id)["items"]
    payouts = [item for item in items if item["milestone_id"] == milestone_id]
    expect(len(payouts) <= 1, f"Milestone {milestone_idx} has {len(payouts)} payments.")
    return payouts[0] if payouts and payouts[0]["status"] == "SETTLED" else None


def _paid(journey: Journey, milestone_idx: int) -> dict[str, Any] | None:
    milestone = journey.milestone(milestone_idx)
    return milestone if milestone["status"] == "PAID" else None


STEPS: Sequence[tuple[str, Callable[[Journey], None]]] = (
    ("Two people who do not know each other get a key", invite_two_people),
    ("They agree on the work: three milestones, 4,500.00 EUR", agree_on_the_work),
    ("The sender locks the money", lock_the_money),
    ("The provider proves the first milestone by a photo", prove_the_first_milestone),
    ("1,500.00 EUR reach the provider", see_the_first_payout_settle),
    ("A photo from another place is refused", refuse_a_photo_from_elsewhere),
    ("A photo without a position waits for a person", send_a_photo_without_position),
    ("A person approves it, and 1,800.00 EUR reach the provider", let_a_person_decide),
    ("An invoice for 1,200.00 EUR is read, compared, and waits", send_an_invoice),
)
