"""What an escrow's money should do, in plain Python, written from the contract and not the code."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

INSPECTION = timedelta(hours=72)
DEADLINE = timedelta(days=30)
EVIDENCE_DEFERS_FOR = timedelta(days=7)
PSP_HOLDS_FOR = timedelta(days=90)
MANDATE = 60

_OVER = frozenset({"RELEASED", "REFUNDED", "CANCELLED"})
_OPEN = frozenset({"DRAFT", "FUNDED", "RELEASABLE"})
_PASSED = timedelta(0)


class Refused(Exception):
    """The command must be refused and change nothing."""


@dataclass
class Part:
    """A milestone."""

    amount: int
    status: str = "WAITING"

    @property
    def is_open(self) -> bool:
        """Whether it is not decided."""
        return self.status in {"WAITING", "PENDING_REVIEW", "REJECTED"}


@dataclass(eq=False)
class Payout:
    """Money on its way out. part: the milestone that it pays, None for a rest or anything else.

    kind: payout, refund, spend or purchase. hold: why it waits: `returned`, `chargeback`, and
    `charged_back` for ever. charge: for a refund, the charge that it goes back through; None where
    a collector pays it, which no bank's word stops.
    """

    amount: int
    part: Part | None = None
    kind: str = "payout"
    status: str = "PENDING"
    hold: str = ""
    charge: "Charge | None" = None

    @property
    def waits_for_the_psp(self) -> bool:
        """Whether a chargeback can still stop it."""
        return self.status in {"PENDING", "ERROR"} and self.hold != "charged_back"


@dataclass(eq=False)
class Charge:
    """Money that came in. taken: what of it the escrow took. is_psp: by a PSP, not a collector.

    disputed: what of it a bank has taken back; charged_back: what the escrow lost of that.
    """

    received: int
    taken: int
    is_psp: bool = True
    refunded: int = 0
    disputed: int = 0
    charged_back: int = 0

    @property
    def refundable(self) -> int:
        """What of it can go back the way it came."""
        return self.taken - self.refunded - self.disputed


@dataclass
class Case:
    """A charge that the payer's bank takes back. frozen: what the escrow held of it."""

    charge: Charge
    amount: int
    disputed: int
    frozen: int
    status: str = "OPEN"
    owed: int = 0
    recovered: int = 0


@dataclass
class PlainEscrow:
    """An escrow with its parts. Amounts are minor units; time counts from its creation."""

    total: int
    parts: list[Part]
    on_deadline: str = "refund"
    status: str = "DRAFT"
    funded: int = 0
    released: int = 0
    refunded: int = 0
    now: timedelta = _PASSED
    evidence_at: timedelta | None = None
    is_paused: bool = False
    delivered_at: timedelta | None = None
    psp_hold_ends: timedelta | None = None
    charges: list[Charge] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    payments: list[Payout] = field(default_factory=list)
    purchases: list[Payout] = field(default_factory=list)

    # --- What it is -----------------------------------------------------------------------------
    @property
    def frozen(self) -> int:
        """What nobody may decide about."""
        return sum(case.frozen for case in self.cases if case.status == "OPEN")

    @property
    def held(self) -> int:
        """What is in it."""
        return self.funded - self.released - self.refunded

    @property
    def available(self) -> int:
        """What of it may be decided about."""
        return self.held - self.frozen

    @property
    def free(self) -> int:
        """What no open part needs."""
        if self.status not in {"DRAFT", "FUNDED"}:
            return 0
        return max(0, self.available - sum(part.amount for part in self.parts if part.is_open))

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status in _OVER

    @property
    def current(self) -> Part | None:
        """The first part that is not decided."""
        return next((part for part in self.parts if part.is_open), None)

    @property
    def has_proof(self) -> bool:
        """Whether a proof is pending or was accepted."""
        return any(part.status not in {"WAITING", "REJECTED"} for part in self.parts)

    @property
    def is_contested(self) -> bool:
        """Whether a bank has taken money back and not decided."""
        return any(case.status == "OPEN" for case in self.cases)

    @property
    def orders(self) -> list[Payout]:
        """What a PSP pays; a refund without a charge is its collector's."""
        return [one for one in self.payments if one.kind != "refund" or one.charge is not None]

    # --- What people do -------------------------------------------------------------------------
    def deposit(self, amount: int) -> None:
        """A confirmed deposit through the API; its collector has the money."""
        if self.is_over or self.status == "DISPUTED" or self.funded + amount > self.total:
            raise Refused
        self._take(Charge(amount, amount, is_psp=False))

    def prove(self) -> None:
        """A proof with a file for the current part."""
        part = self.current
        if self.now >= DEADLINE or self.status == "DISPUTED" or part is None:
            raise Refused
        if part.status == "PENDING_REVIEW" or self.available < part.amount:
            raise Refused
        part.status = "PENDING_REVIEW"
        self.evidence_at = self.now

    def decide(self, *, accept: bool) -> None:
        """The decision on the pending proof; what it kept from acting acts then."""
        part = self.current
        if self.status == "DISPUTED" or part is None or part.status != "PENDING_REVIEW":
            raise Refused
        if accept and self.available < part.amount:
            raise Refused
        part.status = "APPROVED" if accept else "REJECTED"
        self.evidence_at, self.is_paused = None, False
        if accept:
            self._pay(part.amount, part)
            self._end_if_decided()

    def approve(self) -> None:
        """The client accepts all, where all is there."""
        if self.status not in {"FUNDED", "RELEASABLE"} or self.frozen or self.funded < self.total:
            raise Refused
        self._end("RELEASED", self.held)

    def turn_down(self) -> None:
        """The client refuses."""
        if self.status not in _OPEN:
            raise Refused
        if self.status == "RELEASABLE" or self.has_proof:
            self.status = "DISPUTED"
        else:
            self._end("CANCELLED" if self.status == "DRAFT" else "REFUNDED", 0)

    def give_back(self) -> None:
        """The provider gives all back."""
        if self.status not in _OPEN:
            raise Refused
        self._end("CANCELLED" if self.status == "DRAFT" else "REFUNDED", 0)

    def take_out(self, amount: int) -> None:
        """The client takes a part out."""
        if self.status not in _OPEN:
            raise Refused
        if amount == self.held:
            self.turn_down()
        elif amount > self.free:
            raise Refused
        else:
            self._refund(amount)

    def deliver(self) -> None:
        """The provider delivers."""
        if self.status != "FUNDED" or self.current is not None:
            raise Refused
        self.status, self.delivered_at = "RELEASABLE", self.now

    def dispute(self) -> None:
        """Somebody disputes."""
        if self.status not in _OPEN:
            raise Refused
        self.status = "DISPUTED"

    def resolve(self, release: int) -> None:
        """Support divides what is held."""
        if self.status != "DISPUTED" or release > self.held:
            raise Refused
        self._end("RELEASED" if release else "REFUNDED", release)

    # --- Spending -------------------------------------------------------------------------------
    def spend(self, amount: int) -> None:
        """An allowed payee is paid."""
        self._spend(amount, "spend")

    def buy(self, amount: int) -> None:
        """A purchase under the mandate that names this escrow."""
        spent = sum(one.amount for one in self.purchases if one.status != "CANCELLED")
        if spent + amount > MANDATE:
            raise Refused
        self.purchases.append(self._spend(amount, "purchase"))

    def bring_back(self, number: int) -> None:
        """The sender asks a purchase back that nobody has paid yet. Of one that was paid support
        only hears."""
        if not self.purchases or self.status == "DISPUTED":
            raise Refused
        purchase = self.purchases[number % len(self.purchases)]
        if purchase.status in {"CANCELLED", "SENT"} or self.is_contested:
            raise Refused
        if purchase.status == "SETTLED":
            return
        parts = list(self._kept_for_debts(purchase.amount))
        rest = purchase.amount - sum(part for _, part in parts)
        if self.is_over and self._refundable() < rest:
            raise Refused
        purchase.status = "CANCELLED"
        self.released -= purchase.amount
        for case, part in parts:
            case.recovered += part
            case.charge.charged_back += part
            self.funded -= part
        if self.is_over and rest:
            self._refund(rest)

    # --- What PSPs and banks do -----------------------------------------------------------------
    def report(self, amount: int) -> None:
        """Money that a PSP reports: always booked; what has no room goes back."""
        takes = 0
        if not (self.is_over or self.status == "DISPUTED"):
            takes = min(amount, self.total - self.funded)
        charge = Charge(amount, takes)
        if takes:
            self._take(charge)
            if self.psp_hold_ends is None:
                self.psp_hold_ends = self.now + PSP_HOLDS_FOR
        else:
            self.charges.append(charge)
        if amount > takes:
            self._order(Payout(amount - takes, kind="refund", charge=charge))

    def contest(self, number: int, amount: int) -> None:
        """The payer's bank takes a charge back, or a part of it."""
        charges = [charge for charge in self.charges if charge.is_psp]
        if not charges:
            raise Refused
        charge = charges[number % len(charges)]
        others = sum(
            case.amount for case in self.cases if case.charge is charge and case.status != "WON"
        )
        if others + amount > charge.received:
            raise Refused
        disputed = min(amount, charge.refundable)
        frozen = min(disputed, self.available)
        charge.disputed += disputed
        self.cases.append(Case(charge, amount, disputed, frozen))
        for payment in self.payments:
            if payment.waits_for_the_psp and not payment.hold:
                payment.hold = "chargeback"

    def judge(self, number: int, *, is_won: bool) -> None:
        """The bank decides one of its cases."""
        cases = [case for case in self.cases if case.status == "OPEN"]
        if not cases:
            raise Refused
        case = cases[number % len(cases)]
        if not is_won:
            needed = case.amount - case.frozen
            case.owed = needed - self._keep_refunds(case, needed)
            self.funded -= case.frozen
            case.charge.charged_back += case.frozen
            case.status = "LOST"
        else:
            case.charge.disputed -= case.disputed
            case.status = "WON"
        self._end_if_decided()
        if not self.is_contested:
            for payment in self.payments:
                payment.hold = "" if payment.hold == "chargeback" else payment.hold

    def send(self, number: int) -> None:
        """A worker hands a payment to the PSP."""
        payout = self._order_at(number, "PENDING")
        if payout.hold:
            raise Refused
        self._move(payout, "SENT", "PAYING")

    def settle(self, number: int) -> None:
        """The PSP says that it arrived."""
        self._move(self._order_at(number, "SENT"), "SETTLED", "PAID")

    def fail(self, number: int) -> None:
        """The PSP says that it never will."""
        payment = self._order_at(number, "SENT")
        self._move(payment, "ERROR", "APPROVED")
        self._keep_if_owed(payment)

    def come_back(self, number: int) -> None:
        """The PSP says that it came back: a new one waits for somebody's word."""
        gone = self._order_at(number, "SETTLED")
        self._move(gone, "REFUNDED", "APPROVED")
        again = Payout(gone.amount, gone.part, gone.kind, hold="returned", charge=gone.charge)
        self.payments.append(again)
        if gone in self.purchases:
            self.purchases[self.purchases.index(gone)] = again
        self._keep_if_owed(again)

    def execute(self, number: int) -> None:
        """Somebody tries a failed payment again, or lets a new one go."""
        payment = self.orders[number % len(self.orders)] if self.orders else None
        if payment is None or payment.status in {"REFUNDED", "CANCELLED"}:
            raise Refused
        if payment.status not in {"PENDING", "ERROR"}:
            return
        if payment.hold not in {"", "returned"} or self.is_contested:
            raise Refused
        payment.hold, payment.status = "", "PENDING"

    # --- Time -----------------------------------------------------------------------------------
    def wait(self, hours: int) -> None:
        """Nobody does anything for so long."""
        self.now += timedelta(hours=hours)

    def act(self) -> None:
        """What has passed acts, in the order of its moments."""
        while due := [step for step in self._steps() if step[0] <= self.now]:
            self._happen(min(due, key=lambda step: step[0])[1])

    def _steps(self) -> Iterator[tuple[timedelta, str]]:
        if self.psp_hold_ends is not None and self.status in _OPEN:
            yield self.psp_hold_ends, "review"
        if self.status in {"DRAFT", "FUNDED"}:
            is_deferred = self.evidence_at is not None and self.evidence_at <= DEADLINE
            if is_deferred:
                yield DEADLINE + EVIDENCE_DEFERS_FOR, "review"
            else:
                yield DEADLINE, self._safe("cancel" if self.status == "DRAFT" else self.on_deadline)
        if self.status == "RELEASABLE" and self.delivered_at is not None:
            # Where the provider's word is all there is, silence moves no money.
            yield self.delivered_at + INSPECTION, self._safe("release" if self.parts else "review")

    def _safe(self, outcome: str) -> str:
        """Silence gives nobody what a bank has frozen, nor less than was agreed."""
        is_short = self.status != "DRAFT" and self.funded < self.total
        return "review" if self.frozen or (outcome == "release" and is_short) else outcome

    def _happen(self, outcome: str) -> None:
        if outcome == "review":
            self.status = "DISPUTED"
        elif outcome == "release":
            self._end("RELEASED", self.held)
        else:
            self._end("CANCELLED" if outcome == "cancel" else "REFUNDED", 0)

    # --- How it does it -------------------------------------------------------------------------
    @staticmethod
    def _move(payout: Payout, status: str, part_status: str) -> None:
        payout.status = status
        if payout.part is not None:
            payout.part.status = part_status

    def _take(self, charge: Charge) -> None:
        self.charges.append(charge)
        self.funded += charge.taken
        if self.funded == self.total and self.status == "DRAFT":
            self.status = "FUNDED"

    def _order(self, payment: Payout) -> Payout:
        """A payment that waits for the PSP, or for the word of a bank first."""
        is_external = payment.kind == "refund" and payment.charge is None
        if is_external:
            payment.status = "SENT"
        elif self.is_contested and not payment.hold:
            payment.hold = "chargeback"
        self.payments.append(payment)
        return payment

    def _pay(self, amount: int, part: Part | None) -> None:
        self.released += amount
        self._order(Payout(amount, part))

    def _spend(self, amount: int, kind: str) -> Payout:
        if amount > self.free:
            raise Refused
        self.released += amount
        return self._order(Payout(amount, kind=kind))

    def _kept_for_debts(self, amount: int) -> Iterator[tuple[Case, int]]:
        """What of money that was spent and comes back pays for what the bank gave the payer when
        it was spent; of each charge no more than it brought."""
        room: dict[int, int] = {}
        for case in self.cases:
            charge = case.charge
            if case.status != "LOST" or not charge.taken:
                continue
            left = room.setdefault(id(charge), charge.disputed - charge.charged_back)
            part = min(amount, case.owed - case.recovered, left)
            if part > 0:
                yield case, part
                room[id(charge)] -= part
                amount -= part

    def _refundable(self) -> int:
        return sum(charge.refundable for charge in self.charges)

    def _refund(self, amount: int) -> None:
        """Back to where it came from, the newest first."""
        self.refunded += amount
        for charge in reversed(self.charges):
            part = min(amount, charge.refundable)
            if part > 0:
                charge.refunded += part
                amount -= part
                back = charge if charge.is_psp else None
                self._order(Payout(part, kind="refund", charge=back))

    def _keep_refunds(self, case: Case, needed: int) -> int:
        """Refunds that were not sent are not sent any more, as far as the bank gave the same
        money: first those of the same charge, then the newest; how much that is."""
        waiting = [one for one in self.payments if one.kind == "refund" and one.waits_for_the_psp]
        order = {id(one): number for number, one in enumerate(self.payments)}
        waiting.sort(key=lambda one: (one.charge is case.charge, order[id(one)]), reverse=True)
        left = needed
        for payment in waiting:
            if not left:
                break
            part = min(left, payment.amount)
            left -= part
            self._keep(payment, part)
        return needed - left

    def _keep_if_owed(self, payment: Payout) -> None:
        """A refund that is not with the payer after all pays what their bank left them owing."""
        if payment.kind != "refund":
            return
        left = payment.amount
        for case in self.cases:
            part = min(left, case.owed - case.recovered) if case.status == "LOST" else 0
            case.recovered += part
            left -= part
        if left < payment.amount:
            self._keep(payment, payment.amount - left)

    def _keep(self, payment: Payout, amount: int) -> None:
        """So much of a refund is kept for ever; what is left of it waits as the whole did, and
        after a failure for somebody's word."""
        hold = payment.hold
        if hold in {"", "chargeback"}:
            hold = "returned" if payment.status == "ERROR" else ""
        payment.hold = "charged_back"
        rest = Payout(payment.amount - amount, kind="refund", charge=payment.charge, hold=hold)
        if rest.amount:
            self._order(rest)

    def _order_at(self, number: int, status: str) -> Payout:
        """One of the payments of the PSP; it acts on those in one state only."""
        if not self.orders or self.orders[number % len(self.orders)].status != status:
            raise Refused
        return self.orders[number % len(self.orders)]

    def _end_if_decided(self) -> None:
        """The last part was accepted, and nothing of the money waits for a bank."""
        is_open = self.status in {"DRAFT", "FUNDED"} and not self.frozen
        if is_open and self.parts and self.current is None:
            self._end("RELEASED", 0)

    def _end(self, status: str, release: int) -> None:
        if self.frozen:
            raise Refused
        refund = self.held - release
        self.status = status
        stopped = False
        for part in self.parts:
            if not part.is_open:
                continue
            stopped = stopped or part.amount > release
            if stopped:
                part.status = "CANCELLED"
            else:
                part.status = "APPROVED"
                self._pay(part.amount, part)
                release -= part.amount
        if release:
            self._pay(release, None)
        if refund:
            self._refund(refund)
