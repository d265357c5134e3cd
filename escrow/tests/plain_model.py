"""What an escrow's money should do, in plain Python, written from the contract and not the code."""

from dataclasses import dataclass, field


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


@dataclass
class Payout:
    """Money on its way to the provider; `part` is what it pays, None for a rest."""

    amount: int
    part: Part | None
    status: str = "PENDING"
    is_held: bool = False


@dataclass
class PlainEscrow:
    """An escrow with its parts. Amounts are minor units."""

    total: int
    parts: list[Part]
    status: str = "DRAFT"
    funded: int = 0
    released: int = 0
    refunded: int = 0
    surplus: int = 0
    payouts: list[Payout] = field(default_factory=list)

    @property
    def held(self) -> int:
        """What is in it."""
        return self.funded - self.released - self.refunded

    @property
    def free(self) -> int:
        """What no open part needs."""
        if self.status not in {"DRAFT", "FUNDED"}:
            return 0
        return max(0, self.held - sum(part.amount for part in self.parts if part.is_open))

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status in {"RELEASED", "REFUNDED", "CANCELLED"}

    @property
    def current(self) -> Part | None:
        """The first part that is not decided."""
        return next((part for part in self.parts if part.is_open), None)

    @property
    def has_proof(self) -> bool:
        """Whether a proof is pending or was accepted."""
        return any(part.status not in {"WAITING", "REJECTED"} for part in self.parts)

    def deposit(self, amount: int) -> None:
        """A confirmed deposit through the API."""
        if self.is_over or self.status == "DISPUTED" or self.funded + amount > self.total:
            raise Refused
        self._take(amount)

    def report(self, amount: int) -> None:
        """Money that a PSP reports: always booked."""
        takes = 0
        if not (self.is_over or self.status == "DISPUTED"):
            takes = min(amount, self.total - self.funded)
        if takes:
            self._take(takes)
        self.surplus += amount - takes

    def prove(self) -> None:
        """A proof for the current part."""
        part = self.current
        if self.status == "DISPUTED" or part is None or part.status == "PENDING_REVIEW":
            raise Refused
        if self.held < part.amount:
            raise Refused
        part.status = "PENDING_REVIEW"

    def decide(self, *, accept: bool) -> None:
        """The decision on the pending proof."""
        part = self._under_review()
        if not accept:
            part.status = "REJECTED"
            return
        if self.held < part.amount:
            raise Refused
        part.status = "APPROVED"
        self._pay(part.amount, part)
        if self.current is None:
            self._end("RELEASED", 0)

    def approve(self) -> None:
        """The client accepts all."""
        if self.status not in {"FUNDED", "RELEASABLE"}:
            raise Refused
        self._end("RELEASED", self.held)

    def turn_down(self) -> None:
        """The client refuses."""
        if self.status not in {"DRAFT", "FUNDED", "RELEASABLE"}:
            raise Refused
        if self.status == "RELEASABLE" or self.has_proof:
            self.status = "DISPUTED"
        else:
            self._end("CANCELLED" if self.status == "DRAFT" else "REFUNDED", 0)

    def give_back(self) -> None:
        """The provider gives all back."""
        if self.status not in {"DRAFT", "FUNDED", "RELEASABLE"}:
            raise Refused
        self._end("CANCELLED" if self.status == "DRAFT" else "REFUNDED", 0)

    def take_out(self, amount: int) -> None:
        """The client takes a part out."""
        if self.status not in {"DRAFT", "FUNDED", "RELEASABLE"}:
            raise Refused
        if amount == self.held:
            self.turn_down()
        elif amount > self.free:
            raise Refused
        else:
            self.refunded += amount

    def deliver(self) -> None:
        """The provider delivers."""
        if self.status != "FUNDED" or self.current is not None:
            raise Refused
        self.status = "RELEASABLE"

    def dispute(self) -> None:
        """Somebody disputes."""
        if self.status not in {"DRAFT", "FUNDED", "RELEASABLE"}:
            raise Refused
        self.status = "DISPUTED"

    def resolve(self, release: int) -> None:
        """Support divides what is held."""
        if self.status != "DISPUTED" or release > self.held:
            raise Refused
        self._end("RELEASED" if release else "REFUNDED", release)

    def send(self, number: int) -> None:
        """A worker hands a payout to the PSP."""
        payout = self._payout(number, "PENDING")
        if payout.is_held:
            raise Refused
        self._move(payout, "SENT", "PAYING")

    def settle(self, number: int) -> None:
        """The PSP says that it arrived."""
        self._move(self._payout(number, "SENT"), "SETTLED", "PAID")

    def fail(self, number: int) -> None:
        """The PSP says that it never will."""
        self._move(self._payout(number, "SENT"), "ERROR", "APPROVED")

    def come_back(self, number: int) -> None:
        """The PSP says that it came back: a new one waits for somebody's word."""
        payout = self._payout(number, "SETTLED")
        self._move(payout, "REFUNDED", "APPROVED")
        self.payouts.append(Payout(payout.amount, payout.part, is_held=True))

    def execute(self, number: int) -> None:
        """Somebody tries a failed payout again, or lets a new one go."""
        payout = self.payouts[number % len(self.payouts)] if self.payouts else None
        if payout is None or payout.status == "REFUNDED":
            raise Refused
        payout.is_held = False
        if payout.status == "ERROR":
            payout.status = "PENDING"

    @staticmethod
    def _move(payout: Payout, status: str, part_status: str) -> None:
        payout.status = status
        if payout.part is not None:
            payout.part.status = part_status

    def _take(self, amount: int) -> None:
        self.funded += amount
        if self.funded == self.total and self.status == "DRAFT":
            self.status = "FUNDED"

    def _under_review(self) -> Part:
        part = self.current
        if self.status == "DISPUTED" or part is None or part.status != "PENDING_REVIEW":
            raise Refused
        return part

    def _pay(self, amount: int, part: Part | None) -> None:
        self.released += amount
        self.payouts.append(Payout(amount, part))

    def _payout(self, number: int, status: str) -> Payout:
        if not self.payouts or self.payouts[number % len(self.payouts)].status != status:
            raise Refused
        return self.payouts[number % len(self.payouts)]

    def _end(self, status: str, release: int) -> None:
        refund = self.held - release
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
        self.refunded += refund
        self.status = status
