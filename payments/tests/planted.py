"""Two records of the same few thousand movements, and lies planted into the PSP's.

Everything that happens in an honest day is there as well, for a reconciler to be wrong about:
orders refused at once, tries that failed before the one that arrived, sessions that nobody paid,
what came back, movements in flight at the moment of the run, and what other people did with the
same account and no money.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import cycle
from random import Random

from escrow.tests.factories import make_escrow
from kobatela.kernel.money import Money
from payments.models import Attempt, Chargeback, Funding, Payment
from payments.psp.base import Movement, MovementKind, OrderState

CURRENCIES = ("EUR", "USD", "GBP", "XOF", "XAF")
SETTLED, FAILED, RETURNED, ACCEPTED = (
    OrderState.SETTLED,
    OrderState.FAILED,
    OrderState.RETURNED,
    OrderState.ACCEPTED,
)
_STATUS = {SETTLED: "SETTLED", FAILED: "ERROR", RETURNED: "REFUNDED", ACCEPTED: "SENT"}
_RESULT = {SETTLED: "settled", FAILED: "failed", RETURNED: "returned", ACCEPTED: ""}
_FUNDING = {SETTLED: "SUCCEEDED", FAILED: "FAILED", ACCEPTED: "CREATED"}
_CASE = {SETTLED: "LOST", RETURNED: "WON", ACCEPTED: "OPEN"}
_ORDERS = (MovementKind.TRANSFER, MovementKind.REFUND)
_MINUTE = timedelta(minutes=1)


@dataclass
class Pair:
    """One movement as we know it, and the lines that the PSP has of it.

    ours: what we know; None for what we never ordered. changed_at: when we came to know it.
    lie: as what it is to be found; empty for an honest one.
    """

    kind: MovementKind
    key: str
    ours: OrderState | None
    money: Money
    began_at: datetime
    changed_at: datetime
    known_ref: str
    theirs: list[Movement] = field(default_factory=list)
    lie: str = ""

    @property
    def line(self) -> Movement:
        """The PSP's only line."""
        (line,) = self.theirs
        return line


class World:
    """Both sides, as they are at `now`."""

    def __init__(self, seed: int, now: datetime) -> None:
        self.random = Random(seed)  # noqa: S311 - the same days again, not a secret
        self.now = now
        self.pairs: list[Pair] = []
        self.expected: set[tuple[str, str]] = set()
        self._numbers = iter(range(1, 10**9))

    # --- honest days --------------------------------------------------------------------------

    def live(self, count: int) -> None:
        """`count` movements of the last three days on which both sides agree."""
        honest = (
            (60, self._arrived),
            (8, self._failed_later),
            (6, self._came_back),
            (6, self._refused_at_once),
            (6, self._open_on_both_sides),
            (4, self._session_given_up),
            (10, self._in_flight),
        )
        weights = [weight for weight, _ in honest]
        for make in self.random.choices([make for _, make in honest], weights, k=count):
            self.pairs.append(make())
        self.pairs += [self._of_strangers() for _ in range(count // 20)]

    def _arrived(self, kind: MovementKind | None = None) -> Pair:
        return self._pair(SETTLED, SETTLED, kind=kind)

    def _failed_later(self) -> Pair:
        return self._pair(FAILED, FAILED)

    def _came_back(self) -> Pair:
        return self._pair(RETURNED, RETURNED, kind=self._any_kind(RETURNED))

    def _refused_at_once(self) -> Pair:
        pair = self._pair(FAILED, FAILED, kind=self._order_kind())
        pair.theirs, pair.known_ref = [], ""
        return pair

    def _open_on_both_sides(self) -> Pair:
        return self._pair(ACCEPTED, ACCEPTED, age=timedelta(hours=self.random.uniform(1, 40)))

    def _session_given_up(self) -> Pair:
        return self._pair(FAILED, ACCEPTED, kind=MovementKind.FUNDING)

    def _in_flight(self) -> Pair:
        """What one side has known for less than the grace."""
        moment = self.now - self.random.uniform(0, 25) * _MINUTE
        age = timedelta(hours=self.random.uniform(1, 40))
        match self.random.randrange(4):
            case 0:  # their report is on its way
                pair = self._pair(ACCEPTED, self.random.choice([SETTLED, FAILED]), age=age)
                pair.theirs = [replace(pair.line, changed_at=moment)]
            case 1:  # their list is behind
                pair = self._pair(SETTLED, ACCEPTED, age=age)
                pair.changed_at = moment
            case 2:  # given a moment ago, and not there yet
                pair = self._pair(ACCEPTED, ACCEPTED, kind=self._order_kind())
                pair.began_at = pair.changed_at = moment
                pair.theirs, pair.known_ref = [], ""
            case _:  # our answer got lost: they have it, we do not know their reference
                pair = self._pair(ACCEPTED, ACCEPTED, kind=self._order_kind(), age=age)
                pair.known_ref = ""
        return pair

    def _of_strangers(self) -> Pair:
        """Sessions and orders at the same PSP that are not ours and moved nothing."""
        is_session = self.random.random() < 0.5
        kind = MovementKind.FUNDING if is_session else self._order_kind()
        pair = self._pair(FAILED, self._strange_state(is_session=is_session), kind=kind)
        pair.ours = None
        pair.theirs = [replace(pair.line, key="")]
        return pair

    def _strange_state(self, *, is_session: bool) -> OrderState:
        return self.random.choice([ACCEPTED, FAILED]) if is_session else FAILED

    # --- lies ---------------------------------------------------------------------------------

    def plant(self, count: int) -> None:
        """`count` discrepancies, as many of each sort as of any other."""
        lies: Sequence[Callable[[], Pair]] = (
            self._dropped,
            self._never_ordered,
            self._listed_twice,
            self._done_twice,
            self._other_reference_lost,
            self._other_amount,
            self._other_currency,
            self._outcome_never_told,
            self._wrong_status,
            self._late,
        )
        sorts = cycle(lies)
        planted = 0
        while planted < count:
            lie = next(sorts)
            # What stands under another reference is missing there, and not known here.
            size = 2 if lie == self._other_reference_lost else 1
            if planted + size <= count:
                self.pairs.append(lie())
                planted += size
        self.random.shuffle(self.pairs)

    def _lie(self, kind: str, pair: Pair) -> Pair:
        pair.lie = kind
        return pair

    def _dropped(self) -> Pair:
        pair = self._arrived()
        pair.theirs = []
        return self._lie("MISSING_THERE", pair)

    def _never_ordered(self) -> Pair:
        pair = self._arrived()
        pair.ours = None
        return self._lie("MISSING_HERE", pair)

    def _listed_twice(self) -> Pair:
        pair = self._arrived()
        pair.theirs *= 2
        return self._lie("DUPLICATE", pair)

    def _done_twice(self) -> Pair:
        # A second case of one charge may well be another one.
        kind = self.random.choice([*_ORDERS, MovementKind.FUNDING])
        pair = self._arrived(kind)
        again = replace(pair.line, psp_ref=self._ref(), created_at=pair.began_at + 5 * _MINUTE)
        pair.theirs.append(again)
        return self._lie("DUPLICATE", pair)

    def _other_reference_lost(self) -> Pair:
        pair = self._arrived()
        pair.theirs = [replace(pair.line, key="", psp_ref=self._ref())]
        self.expected.add(("MISSING_HERE", pair.line.psp_ref))
        return self._lie("MISSING_THERE", pair)

    def _other_amount(self) -> Pair:
        pair = self._arrived()
        minor = pair.money.amount_minor
        other = self.random.choice([minor + 1, minor - 1, minor * 10, minor * 100])
        pair.theirs = [replace(pair.line, money=Money(other, pair.money.currency))]
        return self._lie("AMOUNT", pair)

    def _other_currency(self) -> Pair:
        pair = self._arrived()
        others = [name for name in CURRENCIES if name != pair.money.currency]
        money = Money(pair.money.amount_minor, self.random.choice(others))
        pair.theirs = [replace(pair.line, money=money)]
        return self._lie("CURRENCY", pair)

    def _outcome_never_told(self) -> Pair:
        age = timedelta(hours=self.random.uniform(4, 40))
        theirs = self.random.choice([SETTLED, FAILED, RETURNED])
        pair = self._pair(ACCEPTED, theirs, kind=self._any_kind(theirs), age=age)
        return self._lie("STATUS", pair)

    def _wrong_status(self) -> Pair:
        ours, theirs = self.random.choice(
            [
                (SETTLED, FAILED),
                (SETTLED, RETURNED),
                (SETTLED, ACCEPTED),
                (FAILED, SETTLED),
                (FAILED, ACCEPTED),
                (RETURNED, SETTLED),
            ]
        )
        age = timedelta(hours=self.random.uniform(4, 40))
        kind = self._any_kind(ours, theirs)
        return self._lie("STATUS", self._pair(ours, theirs, kind=kind, age=age))

    def _late(self) -> Pair:
        age = timedelta(hours=self.random.uniform(49, 70))
        return self._lie("LATE", self._pair(ACCEPTED, ACCEPTED, MovementKind.TRANSFER, age))

    # --- parts --------------------------------------------------------------------------------

    def _pair(
        self,
        ours: OrderState,
        theirs: OrderState,
        kind: MovementKind | None = None,
        age: timedelta | None = None,
    ) -> Pair:
        age = age or timedelta(hours=self.random.uniform(3, 71))
        if kind is None:
            kind = self._any_kind(ours, theirs, MovementKind.FUNDING)
        began_at = self.now - age
        money = Money(self.random.randrange(500, 5_000_000), self.random.choice(CURRENCIES))
        created_at = began_at + timedelta(seconds=self.random.uniform(-20, 90))
        is_open = theirs is ACCEPTED
        ended_at = began_at + self.random.uniform(0.05, 0.5) * timedelta(hours=2)
        line = Movement(
            kind=kind,
            psp_ref=self._ref(),
            key=f"koba_{next(self._numbers)}",
            money=money,
            state=theirs,
            created_at=created_at,
            changed_at=created_at if is_open else ended_at,
        )
        return Pair(
            kind=kind,
            key=line.key,
            ours=ours,
            money=money,
            began_at=began_at,
            changed_at=began_at if ours is ACCEPTED else ended_at + _MINUTE,
            known_ref=line.psp_ref,
            theirs=[line],
        )

    def _order_kind(self) -> MovementKind:
        return self.random.choice(_ORDERS)

    def _any_kind(self, *states: OrderState | MovementKind) -> MovementKind:
        """An order or, where no state says that it failed, a chargeback; or what else is named."""
        more = [kind for kind in states if isinstance(kind, MovementKind)]
        cases = [] if FAILED in states else [MovementKind.CHARGEBACK]
        return self.random.choice([*_ORDERS, *cases, *more])

    def _ref(self) -> str:
        return f"ref_{self.random.getrandbits(64):016x}"

    # --- into the database --------------------------------------------------------------------

    def listed(self) -> list[Movement]:
        """The PSP's list, in any order."""
        lines = [line for pair in self.pairs for line in pair.theirs]
        self.random.shuffle(lines)
        return lines

    def store(self) -> None:
        """Write our side, as the services would have left it, and note what is to be found."""
        ours = [pair for pair in self.pairs if pair.ours is not None]
        orders = [pair for pair in ours if pair.kind in _ORDERS]
        sessions = [pair for pair in ours if pair.kind is MovementKind.FUNDING]
        cases = [pair for pair in ours if pair.kind is MovementKind.CHARGEBACK]
        for pair, subject in (
            *self._store_orders(orders),
            *self._store_sessions(sessions),
            *self._store_cases(cases),
        ):
            if pair.lie:
                self.expected.add((pair.lie, subject))
        for pair in self.pairs:
            if pair.ours is None and pair.lie:
                self.expected.add((pair.lie, pair.line.psp_ref))

    def _store_orders(self, pairs: Sequence[Pair]) -> Iterator[tuple[Pair, str]]:
        escrow = make_escrow("DRAFT")
        payments = Payment.objects.bulk_create(
            Payment(
                escrow=escrow,
                kind="refund" if pair.kind is MovementKind.REFUND else "payout",
                method="psp",
                psp="fake",
                psp_key=pair.key,
                psp_ref=pair.known_ref or None,
                amount_minor=pair.money.amount_minor,
                currency=pair.money.currency,
                status=_STATUS[pair.ours or ACCEPTED],
                settled_at=pair.changed_at if pair.ours in {SETTLED, RETURNED} else None,
                business_key=f"planted:{pair.key}",
                created_at=pair.began_at,
                updated_at=pair.changed_at,
            )
            for pair in pairs
        )
        Attempt.objects.bulk_create(
            Attempt(
                payment=payment,
                number=1,
                psp="fake",
                psp_key=pair.key,
                psp_ref=pair.known_ref or None,
                result=_RESULT[pair.ours or ACCEPTED],
                started_at=pair.began_at,
                accepted_at=pair.began_at if pair.known_ref else None,
                finished_at=None if pair.ours is ACCEPTED else pair.changed_at,
            )
            for payment, pair in zip(payments, pairs, strict=True)
        )
        return ((pair, payment.reference) for payment, pair in zip(payments, pairs, strict=True))

    def _store_sessions(self, pairs: Sequence[Pair]) -> Iterator[tuple[Pair, str]]:
        escrow = make_escrow("DRAFT")
        fundings = Funding.objects.bulk_create(
            Funding(
                # One open session for each escrow.
                escrow=make_escrow("DRAFT") if pair.ours is ACCEPTED else escrow,
                payer_id=escrow.client_id,
                amount_minor=pair.money.amount_minor,
                currency=pair.money.currency,
                status=_FUNDING[pair.ours or ACCEPTED],
                psp="fake",
                psp_key=pair.key,
                psp_ref=pair.known_ref,
                received_minor=pair.money.amount_minor if pair.ours is SETTLED else None,
                received_currency=pair.money.currency if pair.ours is SETTLED else "",
                next_look_at=self.now,
                created_by="system:tests",
                created_at=pair.began_at,
                updated_at=pair.changed_at,
            )
            for pair in pairs
        )
        return ((pair, row.reference) for row, pair in zip(fundings, pairs, strict=True))

    def _store_cases(self, pairs: Sequence[Pair]) -> Iterator[tuple[Pair, str]]:
        escrow = make_escrow("DRAFT")
        charge = Funding.objects.create(
            escrow=escrow,
            payer_id=escrow.client_id,
            amount_minor=1,
            currency="EUR",
            status="SUCCEEDED",
            psp="fake",
            psp_key="kobf_disputed",
            received_minor=1,
            received_currency="EUR",
            next_look_at=self.now,
            created_by="system:tests",
            # Of before the days that are compared.
            created_at=self.now - timedelta(days=90),
            updated_at=self.now - timedelta(days=90),
        )
        cases = Chargeback.objects.bulk_create(
            Chargeback(
                funding=charge,
                escrow=escrow,
                payer_id=escrow.client_id,
                psp="fake",
                psp_ref=pair.known_ref,
                amount_minor=pair.money.amount_minor,
                currency=pair.money.currency,
                status=_CASE[pair.ours or ACCEPTED],
                owed_minor=pair.money.amount_minor if pair.ours is SETTLED else 0,
                closed_at=None if pair.ours is ACCEPTED else pair.changed_at,
                created_at=pair.began_at,
                updated_at=pair.changed_at,
            )
            for pair in pairs
        )
        return ((pair, row.reference) for row, pair in zip(cases, pairs, strict=True))
