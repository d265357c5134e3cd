"""What people do with money while everything around them dies: the main journeys over HTTP."""

import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import httpx

from kobatela.embedded.sample_photos import make_photo
from kobatela.kernel import clock
from kobatela.kernel.money import format_minor
from tests.chaos.clients import Client, Unanswered
from tests.chaos.journal import Journal

SITE_LAT, SITE_LNG, RADIUS_M = 14.693700, -17.444060, 80
# What was seen to wait for support may meanwhile wait for a bank, or have been taken back.
_MAY_WAIT = frozenset({"PAYMENT_ON_HOLD", "PAYMENT_RETURNED", "PAYMENT_TAKEN_BACK"})
# The largest amounts stay far below what needs two people, or more than a machine.
_PART_MINOR = {"EUR": (500, 9_000), "XOF": (3_000, 60_000)}


@dataclass
class Deal:
    """One escrow as its client keeps book of it; only acknowledged answers are in here.

    is_sure: no answer is missing, so these figures are exactly what must be found.
    """

    escrow_id: int
    currency: str
    parts_minor: Sequence[int]
    extra_minor: int
    deposits_minor: list[int] = field(default_factory=list)
    source: str = ""
    charged_back_minor: int = 0
    released_minor: int = 0
    refunded_minor: int = 0
    status: str = "DRAFT"
    is_sure: bool = False

    @property
    def total_minor(self) -> int:
        """What the escrow is to hold."""
        return sum(self.parts_minor) + self.extra_minor

    @property
    def held_minor(self) -> int:
        """What it must hold now."""
        came_in = sum(self.deposits_minor) - self.charged_back_minor
        return came_in - self.released_minor - self.refunded_minor

    def money(self, amount_minor: int) -> str:
        """An amount as the API writes it."""
        return format_minor(amount_minor, self.currency)


@dataclass
class Town:
    """Where travellers go: the addresses, the support desk, and everybody's books.

    make_staff: what the console does with a user who is to be staff; they sign in there with
    staff_password.
    collectors: the users who collect money themselves. booked_moves: the references of the moves of
    funds that two people were told to be booked.
    paid_lines: the book of who pays from files, as `paid_by_people` wants it.
    deck: journeys that nobody has made in this round, whoever travels; so a short run has each.
    begun, ended: how often each journey was set out on, and came to its end.
    """

    base_url: str
    psp_url: str
    admin_key: str
    support_key: str
    journal: Journal
    patience_s: float
    make_staff: Callable[[int], None]
    staff_password: str
    deals: list[Deal] = field(default_factory=list)
    paid_lines: set[str] = field(default_factory=set)
    collectors: list[int] = field(default_factory=list)
    booked_moves: set[str] = field(default_factory=set)
    deck: list[str] = field(default_factory=list)
    begun: "Counter[str]" = field(default_factory=Counter)
    ended: "Counter[str]" = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def draw(self, journeys: Sequence[str], chance: random.Random) -> str:
        """What to do next."""
        with self.lock:
            if not self.deck:
                self.deck = chance.sample(journeys, k=len(journeys))
            journey = self.deck.pop()
            self.begun[journey] += 1
            return journey

    def arrive(self, journey: str) -> None:
        """Somebody has come to the end of a journey."""
        with self.lock:
            self.ended[journey] += 1

    def client(self, key: str, chance: random.Random) -> Client:
        """A client with this key."""
        return Client(self.base_url, key, self.journal, chance, patience_s=self.patience_s)


class Traveller:
    """A sender with their provider, who make one deal after another.

    journeys: what they choose from, by name.
    """

    journeys: ClassVar[Sequence[str]] = (
        "prove_the_work",
        "prove_the_work",
        "accept_it_all",
        "take_some_back",
        "pay_others",
        "call_it_off",
        "give_it_back",
        "quarrel",
    )

    def __init__(self, town: Town, seed: int) -> None:
        self._town = town
        self._chosen: Sequence[str] = self.journeys
        self._chance = random.Random(seed)  # noqa: S311 - what to do is no secret
        self._admin = town.client(town.admin_key, self._chance)
        self._sender_id, sender_key = settle_in(self._admin, "sender", may_confirm_deposits=True)
        town.collectors.append(self._sender_id)
        self._provider_id, provider_key = settle_in(self._admin, "provider")
        self._sender = town.client(sender_key, self._chance)
        self._provider = town.client(provider_key, self._chance)
        self._support = town.client(town.support_key, self._chance)

    def travel(self, is_over: Callable[[], bool]) -> None:
        """Make deals until it is over; the one under way is brought to its end."""
        while not is_over():
            journey = self._town.draw(self._chosen, self._chance)
            try:
                getattr(self, journey)()
            except Unanswered as problem:
                self._town.journal.complain(f"{journey}: {problem}")
            else:
                self._town.arrive(journey)

    # --- Journeys -------------------------------------------------------------------------------
    def prove_the_work(self) -> None:
        """Photo after photo; a machine accepts them, or support does."""
        deal = self._agree(parts=self._chance.choice((1, 2)))
        self._fund(deal)
        for index, part_minor in enumerate(deal.parts_minor, start=1):
            self._prove(deal, index)
            deal.released_minor += part_minor
        self._close(deal, "RELEASED", refunded_minor=deal.held_minor)

    def accept_it_all(self) -> None:
        """The sender accepts what is open without any proof."""
        deal = self._agree(parts=self._chance.choice((1, 2, 3)))
        self._fund(deal)
        self._tell(deal, "client-approve", self._sender)
        self._close(deal, "RELEASED", released_minor=deal.held_minor)

    def take_some_back(self) -> None:
        """Several partial refunds at once, then the rest is accepted."""
        deal = self._agree(parts=1, extra=True)
        self._fund(deal)
        amounts = self._split(deal.extra_minor)
        self._at_once(amounts, lambda minor: self._tell(deal, "refund", self._sender, amount=minor))
        deal.refunded_minor += sum(amounts)
        self._tell(deal, "client-approve", self._sender)
        self._close(deal, "RELEASED", released_minor=deal.held_minor)

    def pay_others(self) -> None:
        """An allowed payee is paid from what no milestone needs, then the rest is accepted."""
        deal = self._agree(parts=1, extra=True)
        self._fund(deal)
        payee = {"escrow_id": deal.escrow_id, "payee_ref": f"shop-{secrets.token_hex(4)}"}
        self._support.command("/spend/allowed", payee | {"label": "A shop for cement"})
        amounts = self._split(deal.extra_minor)
        self._at_once(
            amounts,
            lambda minor: self._sender.command("/spend", payee | {"amount": deal.money(minor)}),
        )
        deal.released_minor += sum(amounts)
        self._tell(deal, "client-approve", self._sender)
        self._close(deal, "RELEASED", released_minor=deal.held_minor)

    def call_it_off(self) -> None:
        """The sender cancels before all is paid in."""
        deal = self._agree(parts=2)
        deal.source = "collector"
        self._deposit(deal, self._split(deal.parts_minor[0]))
        self._tell(deal, "cancel", self._sender)
        self._close(deal, "CANCELLED", refunded_minor=deal.held_minor)

    def give_it_back(self) -> None:
        """The provider returns everything."""
        deal = self._agree(parts=1)
        self._fund(deal)
        self._tell(deal, "refund", self._provider)
        self._close(deal, "REFUNDED", refunded_minor=deal.held_minor)

    def quarrel(self) -> None:
        """A dispute, which support divides."""
        deal = self._agree(parts=1, extra=True)
        self._fund(deal)
        self._tell(deal, "dispute", self._sender)
        release_minor = self._chance.choice((deal.parts_minor[0], deal.held_minor - 1))
        refund_minor = deal.held_minor - release_minor
        self._support.command(
            f"/escrows/{deal.escrow_id}/resolve",
            {
                "release": deal.money(release_minor),
                "refund": deal.money(refund_minor),
                "note": "Half was done.",
            },
        )
        self._close(deal, "RELEASED", released_minor=release_minor, refunded_minor=refund_minor)

    # --- Steps ----------------------------------------------------------------------------------
    def _agree(
        self,
        *,
        parts: int,
        extra: bool = False,
        currency: str = "",
        provider_id: int | None = None,
        proof_kind: str = "PHOTO",
    ) -> Deal:
        currency = currency or self._chance.choice(tuple(_PART_MINOR))
        span = _PART_MINOR[currency]
        parts_minor = [self._chance.randint(*span) for _ in range(parts)]
        extra_minor = self._chance.randint(*span) if extra else 0
        deal = Deal(0, currency, parts_minor, extra_minor)
        made = self._sender.command(
            "/escrows",
            {
                "client_id": self._sender_id,
                "provider_id": provider_id or self._provider_id,
                "amount_total": deal.money(deal.total_minor),
                "currency": currency,
                "release_conditions": {},
                "deadline_at": (clock.now() + timedelta(days=90)).isoformat(),
                "milestones": [
                    _milestone(index, deal.money(minor), proof_kind)
                    for index, minor in enumerate(parts_minor, start=1)
                ],
            },
        )
        deal.escrow_id = int(made["id"])
        self._town.deals.append(deal)
        return deal

    def _fund(self, deal: Deal, source: str = "") -> str:
        """Pay all of it in; the charge at the PSP, if there is one."""
        deal.source = source or self._chance.choice(("psp", "collector"))
        charge = ""
        if deal.source == "psp":
            charge = self._pay_at_psp(deal)
            deal.deposits_minor.append(deal.total_minor)
        else:
            self._deposit(deal, self._split(deal.total_minor))
        self._sender.read_until(
            f"/escrows/{deal.escrow_id}", lambda found: found["status"] == "FUNDED", "the funding"
        )
        return charge

    def _pay_at_psp(self, deal: Deal) -> str:
        secret = None
        while secret is None:
            # A repeated answer has no secret; whoever missed it asks anew.
            session = self._tell(deal, "funding-session", self._sender)
            secret = session["client_secret"]
        reference = str(secret).partition("_secret_")[0]
        self._at_psp(f"/fundings/{reference}/complete")
        return reference

    def _at_psp(self, path: str, **fields: str) -> dict[str, Any]:
        """What payers and banks do, away from us."""
        answer = httpx.post(f"{self._town.psp_url}{path}", json=fields, timeout=30)
        if not answer.is_success:
            raise Unanswered(f"the PSP refused {path}: {answer.text[:200]}")
        told: dict[str, Any] = answer.json()
        return told

    def _deposit(self, deal: Deal, amounts_minor: list[int]) -> None:
        self._at_once(
            amounts_minor,
            lambda minor: self._tell(deal, "deposit", self._sender, amount=minor),
        )
        deal.deposits_minor += amounts_minor

    def _prove(self, deal: Deal, index: int) -> None:
        fields = {"escrow_id": deal.escrow_id, "milestone_idx": index, "type": "PHOTO"}
        is_rejected_once = self._chance.random() < 0.25
        while True:
            picture = self._photo(with_gps=not is_rejected_once and self._chance.random() < 0.6)
            proof = self._provider.command("/proofs", fields, file=picture)
            if proof["status"] == "APPROVED":
                return
            verdict = "reject" if is_rejected_once else "approve"
            decided = self._support.command(
                f"/proofs/{proof['id']}/decision",
                {"decision": verdict, "note": "Looked at."},
                has_key=False,
            )
            if decided["status"] == "APPROVED":
                return
            is_rejected_once = False

    def _photo(self, *, with_gps: bool) -> bytes:
        return make_photo(
            # Nobody stands twice exactly where somebody stood.
            latitude=SITE_LAT + secrets.randbelow(1000) * 1e-7,
            longitude=SITE_LNG + secrets.randbelow(1000) * 1e-7,
            taken_at=clock.now(),
            seed=secrets.randbelow(2**32),
            width=480,
            height=360,
            with_gps=with_gps,
        )

    def _tell(
        self, deal: Deal, command: str, who: Client, *, amount: int | None = None
    ) -> dict[str, Any]:
        body = {} if amount is None else {"amount": deal.money(amount)}
        return who.command(f"/escrows/{deal.escrow_id}/{command}", body)

    def _close(
        self, deal: Deal, status: str, *, released_minor: int = 0, refunded_minor: int = 0
    ) -> None:
        deal.status = status
        deal.released_minor += released_minor
        deal.refunded_minor += refunded_minor
        deal.is_sure = True

    def _split(self, minor: int) -> list[int]:
        pieces = self._chance.choice((1, 2, 4))
        each = minor // pieces
        return [each] * (pieces - 1) + [minor - each * (pieces - 1)]

    def _at_once(self, amounts: list[int], do: Callable[[int], Any]) -> None:
        with ThreadPoolExecutor(len(amounts)) as crowd:
            for done in [crowd.submit(do, amount) for amount in amounts]:
                done.result()


class SupportDesk:
    """Somebody at support: tries failed payments again, and says what collectors have paid."""

    def __init__(self, town: Town, seed: int) -> None:
        self._journal = town.journal
        chance = random.Random(seed)  # noqa: S311 - when to ask again is no secret
        self._support = town.client(town.support_key, chance)

    def work(self, is_over: Callable[[], bool]) -> None:
        """Look through the lists until it is over."""
        while not is_over():
            for query, command in (
                ("status=ERROR", "/payments/execute/{id}"),
                ("status=PENDING&method=psp", "/payments/execute/{id}"),
                ("status=SENT&method=external", "/payments/{id}/confirm"),
            ):
                self._go_through(query, command)
            time.sleep(0.3)

    def _go_through(self, query: str, command: str) -> None:
        try:
            page = self._support.read(f"/payments?{query}&limit=50") or {"items": []}
            for payment in page["items"]:
                # Others wait for a worker, not for a person; and some for the word of a bank.
                if payment["status"] != "PENDING" or payment["reason"] == "ON_HOLD":
                    self._support.command(
                        command.format(id=payment["id"]),
                        has_key=False,
                        excused=_MAY_WAIT if "execute" in command else (),
                    )
        except Unanswered as problem:
            self._journal.complain(f"the support desk: {problem}")


def _milestone(index: int, amount: str, proof_kind: str) -> Mapping[str, Any]:
    terms = {
        "sequence_index": index,
        "label": f"Part {index}",
        "amount": amount,
        "proof_kind": proof_kind,
    }
    if proof_kind != "PHOTO":
        return terms
    return terms | {
        "geofence_lat": str(SITE_LAT),
        "geofence_lng": str(SITE_LNG),
        "geofence_radius_m": str(RADIUS_M),
        "max_age_minutes": 120,
    }


def settle_in(admin: Client, scope: str, **key: Any) -> tuple[int, str]:
    """A fresh user and the secret of their key."""
    user_id, name = admit(admin, scope)
    return user_id, issue(admin, scope, user_id, name, **key)


def admit(admin: Client, scope: str) -> tuple[int, str]:
    """A fresh user and their name."""
    name = f"{scope}-{secrets.token_hex(4)}"
    user = admin.command("/users", {"username": name, "email": f"{name}@example.org"})
    return int(user["id"]), name


def issue(admin: Client, scope: str, user_id: int, name: str, **key: Any) -> str:
    """The secret of a user's new key."""
    wanted = {"name": name, "scope": scope, "user_id": user_id, **key}
    if key:
        wanted["reason"] = "It collects the money itself."
        wanted["confirm_limit"] = {"EUR": "9000000.00", "XOF": "900000000"}
    return str(admin.command("/apikeys", wanted)["key"])
