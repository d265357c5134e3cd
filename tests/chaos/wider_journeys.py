"""More that people do with money: banks take it back, phones are paid, documents are read."""

import random
import secrets
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from kobatela.embedded.sample_documents import InvoiceText, make_invoice_pdf
from kobatela.kernel import clock
from kobatela.kernel.money import parse_minor
from tests.chaos.journeys import Deal, Town, Traveller, admit, settle_in

# What a purchase is asked back with may be on its way just now.
_NOT_NOW = frozenset({"PAYMENT_IN_TRANSIT", "PAYMENT_ON_HOLD"})
_FEE_MINOR = 300


class Wanderer(Traveller):
    """A traveller who also knows a provider that is paid by mobile money, and a shop."""

    journeys: ClassVar[Sequence[str]] = (
        *Traveller.journeys,
        "win_at_the_bank",
        "lose_a_part_at_the_bank",
        "lose_after_all_was_paid",
        "pay_by_phone",
        "pay_by_phone",
        "show_an_invoice",
        "buy_under_a_mandate",
        "deliver_and_accept",
    )

    def __init__(self, town: Town, seed: int, journeys: Sequence[str]) -> None:
        super().__init__(town, seed)
        self._chosen = journeys
        chance = random.Random(seed + 1)  # noqa: S311 - what to do is no secret
        self._phoned_id, key = settle_in(self._admin, "provider")
        phoned = town.client(key, chance)
        phoned.command(
            f"/users/{self._phoned_id}/destinations",
            {
                "kind": "mobile_money",
                "operator": "wave",
                "number": f"+2217{chance.randrange(10**8):08}",
                "name": "Awa",
                "currency": "XOF",
            },
        )
        phoned.close()
        name = f"shop-{secrets.token_hex(4)}"
        category = self._support.command("/spend/categories", {"code": name, "label": name})
        shop = {"name": name, "category_id": category["id"], "is_certified": True}
        self._shop_id = int(self._support.command("/spend/merchants", shop)["id"])

    # --- Banks ----------------------------------------------------------------------------------
    def win_at_the_bank(self) -> None:
        """The payer's bank takes the charge back and gives it again; then all is accepted."""
        deal = self._agree(parts=self._chance.choice((1, 2)))
        case = self._contest(deal, self._fund(deal, "psp"))
        self._wait_for_frozen(deal, deal.total_minor)
        self._at_psp(f"/chargebacks/{case}/win")
        self._wait_for_frozen(deal, 0)
        self._tell(deal, "client-approve", self._sender)
        self._close(deal, "RELEASED", released_minor=deal.held_minor)

    def lose_a_part_at_the_bank(self) -> None:
        """The bank takes a part back for good; the provider gives the rest back."""
        deal = self._agree(parts=1)
        part_minor = deal.total_minor // 3
        case = self._contest(deal, self._fund(deal, "psp"), part_minor)
        if self._chance.random() < 0.5:
            self._wait_for_frozen(deal, part_minor)
        self._at_psp(f"/chargebacks/{case}/lose")
        self._sender.read_until(
            f"/escrows/{deal.escrow_id}",
            lambda found: self._minor(deal, found["funded_total"]) == deal.total_minor - part_minor,
            "the loss",
        )
        deal.charged_back_minor = part_minor
        self._tell(deal, "refund", self._provider)
        self._close(deal, "REFUNDED", refunded_minor=deal.held_minor)

    def lose_after_all_was_paid(self) -> None:
        """The bank takes back for good what the provider has been given already."""
        deal = self._agree(parts=1)
        charge = self._fund(deal, "psp")
        self._tell(deal, "client-approve", self._sender)
        self._close(deal, "RELEASED", released_minor=deal.held_minor)
        self._at_psp(f"/chargebacks/{self._contest(deal, charge)}/lose")

    def _contest(self, deal: Deal, charge: str, part_minor: int | None = None) -> str:
        fields = {} if part_minor is None else {"amount": deal.money(part_minor)}
        fee = {"fee": deal.money(_FEE_MINOR)} if self._chance.random() < 0.5 else {}
        return str(self._at_psp("/chargebacks", charge=charge, **fields, **fee)["id"])

    def _wait_for_frozen(self, deal: Deal, minor: int) -> None:
        self._sender.read_until(
            f"/escrows/{deal.escrow_id}/summary",
            lambda found: self._minor(deal, found["balances"]["frozen"]) == minor,
            f"{minor} frozen",
        )

    # --- Others ---------------------------------------------------------------------------------
    def pay_by_phone(self) -> None:
        """All is accepted; the provider is paid from a file, by people."""
        deal = self._agree(parts=1, currency="XOF", provider_id=self._phoned_id)
        self._fund(deal)
        self._tell(deal, "client-approve", self._sender)
        self._close(deal, "RELEASED", released_minor=deal.held_minor)

    def show_an_invoice(self) -> None:
        """A document that a worker reads, and a person decides."""
        deal = self._agree(parts=1, proof_kind="INVOICE")
        self._fund(deal)
        fields = {"escrow_id": deal.escrow_id, "milestone_idx": 1, "type": "INVOICE"}
        sent = self._provider.command(
            "/proofs", fields, file=self._invoice(deal), media_type="application/pdf"
        )
        self._provider.read_until(
            f"/proofs/{sent['id']}",
            lambda found: found["processing"] in {"done", "failed"},
            "the reading",
        )
        self._support.command(
            f"/proofs/{sent['id']}/decision",
            {"decision": "approve", "note": "Looked at."},
            has_key=False,
        )
        deal.released_minor += deal.parts_minor[0]
        self._close(deal, "RELEASED", refunded_minor=deal.held_minor)

    def buy_under_a_mandate(self) -> None:
        """Somebody else's purchases from what no milestone needs; one of them is brought back."""
        deal = self._agree(parts=1, extra=True)
        self._fund(deal)
        beneficiary_id, _ = admit(self._admin, "beneficiary")
        order: dict[str, Any] = {
            "sender_id": self._sender_id,
            "beneficiary_id": beneficiary_id,
            "currency": deal.currency,
        }
        self._sender.command(
            "/mandates",
            {
                **order,
                "total_amount": deal.money(deal.extra_minor),
                "allowed_merchant_id": self._shop_id,
                "escrow_id": deal.escrow_id,
                "expires_at": (clock.now() + timedelta(days=90)).isoformat(),
            },
        )
        bought: list[dict[str, Any]] = []
        amounts = self._split(deal.extra_minor)
        order["merchant_id"] = self._shop_id

        def buy(minor: int) -> None:
            asked = order | {"amount": deal.money(minor)}
            bought.append(self._sender.command("/spend/purchases", asked))

        self._at_once(amounts, buy)
        deal.released_minor += sum(amounts)
        if self._bring_back(bought[0]):
            deal.released_minor -= self._minor(deal, bought[0]["amount"])
        self._tell(deal, "client-approve", self._sender)
        self._close(deal, "RELEASED", released_minor=deal.held_minor)

    def deliver_and_accept(self) -> None:
        """Work without parts, delivered and accepted."""
        deal = self._agree(parts=0, extra=True)
        self._fund(deal)
        self._tell(deal, "mark-delivered", self._provider)
        self._tell(deal, "client-approve", self._sender)
        self._close(deal, "RELEASED", released_minor=deal.held_minor)

    def _bring_back(self, purchase: dict[str, Any]) -> bool:
        """Ask a purchase back; whether its money is in the escrow again. What the shop has
        received is not: then only the budget returns."""
        for _ in range(5):
            told = self._sender.command(
                f"/spend/purchases/{purchase['id']}/refund",
                {"note": "It was the wrong one."},
                excused=_NOT_NOW,
            )
            if "refused" not in told:
                return bool(told["status"] == "REFUNDED")
            time.sleep(0.2)
        return False

    def _invoice(self, deal: Deal) -> bytes:
        amount = f"{deal.money(deal.parts_minor[0])} {deal.currency}"
        return make_invoice_pdf(
            InvoiceText(
                number=f"F-{secrets.token_hex(4)}",
                issued_on=f"{clock.now():%d/%m/%Y}",
                supplier="Quincaillerie du Port",
                customer="Chantier",
                lines=[("Ciment", amount)],
                total=amount,
                iban="FR76 3000 6000 0112 3456 7890 189",
            )
        )

    def _minor(self, deal: Deal, amount: str) -> int:
        return parse_minor(amount, deal.currency)
