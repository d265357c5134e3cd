"""Two people in the console who book where money lies: what collectors hand over and are given
back, what debtors pay, what we put in ourselves."""

import random
import re
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from itertools import cycle

import httpx

from tests.chaos.clients import Unanswered
from tests.chaos.journeys import Town, admit
from tests.chaos.snapshot import Snapshot

_MOVES = "/admin/payments/fundsmove/"
_ITS_PAGE = re.compile(r"/payments/fundsmove/(\d+)/change/")
_LOGIN = "/admin/login/"
_EVERY_S = 1.0


class FundsDesk:
    """Moves a euro at a time between places whose books nobody else keeps: the PSP that people
    work for themselves stands on one side of each move."""

    def __init__(self, town: Town, seed: int) -> None:
        self._town = town
        self._chance = random.Random(seed)  # noqa: S311 - what to do is no secret
        self._support = town.client(town.support_key, self._chance)
        self._kinds = cycle(("own", "debt", "handed over", "given back"))
        self._people: list[_Person] = []
        # Who handed over last, and may be given it back.
        self._collector = ""

    def work(self, is_over: Callable[[], bool]) -> None:
        """Book one move after the other until it is over."""
        while not is_over():
            try:
                if not self._people:
                    self._people = [self._hire(), self._hire()]
                self._book_a_move()
            except Unanswered as problem:
                self._town.journal.complain(f"the funds desk: {problem}")
            time.sleep(_EVERY_S)

    def _hire(self) -> "_Person":
        admin = self._town.client(self._town.admin_key, self._chance)
        user_id, name = admit(admin, "support")
        admin.close()
        self._town.make_staff(user_id)
        return _Person(self._town, name, self._chance)

    def _book_a_move(self) -> None:
        source, target = self._choose()
        if not source:
            return
        first, second = self._people
        reference = f"CHAOS-{secrets.token_hex(6)}".upper()
        told = {"source": source, "target": target, "amount": "1.00", "bank_ref": reference}
        number = first.propose(told, reference)
        if number is not None and second.approve(number):
            self._town.booked_moves.add(reference)
            self._collector = source if source.startswith("collector:") else self._collector

    def _choose(self) -> tuple[str, str]:
        kind = next(self._kinds)
        if kind == "handed over":
            return f"collector:{self._chance.choice(self._town.collectors)}", "manual"
        if kind == "given back":
            return ("psp:manual" if self._collector else ""), self._collector
        return (self._debt() if kind == "debt" else "operator"), "manual"

    def _debt(self) -> str:
        """A case that left its payer owing in euros; "" while none has."""
        page = self._support.read("/alerts?type=CHARGEBACK_LOST") or {"items": []}
        cases = [
            alert["payload"]["chargeback"]
            for alert in page["items"]
            if alert["payload"]["owed_minor"] and alert["payload"]["currency"] == "EUR"
        ]
        return f"chargeback:{self._chance.choice(cases)}" if cases else ""


class _Person:
    """Somebody who is signed in to the console, and does again what nobody answered."""

    def __init__(self, town: Town, name: str, chance: random.Random) -> None:
        self._name, self._password = name, town.staff_password
        self._patience_s, self._chance = town.patience_s, chance
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(base_url=town.base_url, timeout=10.0, limits=limits)

    def propose(self, told: Mapping[str, str], reference: str) -> int | None:
        """The number of the move, or None when its source does not have so much."""
        form = {"currency": "EUR", "note": "Seen on the account.", **told}
        answer = self._send(f"{_MOVES}propose/", form)
        # Used already: by the try of ours that nobody answered.
        if answer.is_redirect or "FUNDS_REFERENCE_USED" in answer.text:
            page = self._send(f"{_MOVES}?q={reference}").text
            return int(_found(_ITS_PAGE, page))
        if "FUNDS_NOT_THERE" in answer.text or "collected that" in answer.text:
            return None
        raise Unanswered(f"the form of {reference} came back: {answer.text[-2000:]}")

    def approve(self, number: int) -> bool:
        """Say the same; whether it is booked, and not refused because the source has less now."""
        self._send(f"{_MOVES}{number}/approve/", {})
        page = self._send(f"{_MOVES}{number}/change/").text
        return "BOOKED" in page

    def _send(self, path: str, form: Mapping[str, str] | None = None) -> httpx.Response:
        give_up_at = time.monotonic() + self._patience_s
        while time.monotonic() < give_up_at:
            try:
                answer = self._once(path, form)
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code < 500:
                if not _asks_to_sign_in(answer):
                    return answer
                self._sign_in()
            time.sleep(self._chance.uniform(0.05, 0.6))
        raise Unanswered(f"{path} was not answered to {self._name}")

    def _once(self, path: str, form: Mapping[str, str] | None) -> httpx.Response:
        if form is None:
            return self._http.get(path)
        token = self._http.cookies.get("csrftoken") or ""
        return self._http.post(path, data={"sure": "yes", "csrfmiddlewaretoken": token, **form})

    def _sign_in(self) -> None:
        try:
            self._http.get(_LOGIN)
            self._once(_LOGIN, {"username": self._name, "password": self._password})
        except httpx.HTTPError:
            return


def _asks_to_sign_in(answer: httpx.Response) -> bool:
    # Who has no cookie yet is not even sent there.
    return answer.status_code == httpx.codes.FORBIDDEN or (
        answer.is_redirect and _LOGIN in answer.headers["location"]
    )


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    if found is None:
        raise Unanswered(f"{pattern.pattern} stands nowhere on the page")
    return found[1]


def booked_from(found: Snapshot) -> list[str]:
    """The kind of source of each move that was booked."""
    booked = [row for row in found.funds_moves if row["status"] == "BOOKED"]
    return [row["source"].partition(":")[0] for row in booked]


def unbooked(found: Snapshot, told: Collection[str]) -> list[str]:
    """Moves of funds that two people were told to be booked, and are not."""
    booked = {row["bank_ref"] for row in found.funds_moves if row["status"] == "BOOKED"}
    return [f"the move {name} was told to be booked" for name in sorted(set(told) - booked)]
