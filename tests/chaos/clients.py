"""A client system: it repeats a command until it is answered, always with the same key."""

import json
import logging
import random
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import httpx

from tests.chaos.journal import Acknowledged, Asked, Journal

_TIMEOUT_S = 10.0
_ASK_AGAIN_AFTER_S = (0.05, 0.6)
# Its line for every call would hide what matters in a report of a failure.
logging.getLogger("httpx").setLevel(logging.WARNING)

_PASSING_CODES = frozenset({"REQUEST_IN_PROGRESS", "BUSY"})


class Unanswered(Exception):
    """Nobody has answered for minutes, or what was waited for never came."""


class Client:
    """Speaks for one API key. Everything it is told goes to the journal.

    patience_s: how long it repeats itself before it gives up.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        journal: Journal,
        chance: random.Random,
        *,
        patience_s: float,
    ) -> None:
        self.key = key
        self._patience_s = patience_s
        self._journal = journal
        self._chance = chance
        # A new connection for each call: kept ones would hide what happens to new ones.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(base_url=base_url, timeout=_TIMEOUT_S, limits=limits)

    def command(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        file: bytes | None = None,
        media_type: str = "image/jpeg",
        has_key: bool = True,
        excused: Collection[str] = (),
    ) -> dict[str, Any]:
        """The answer 2xx of a command, however often it must be asked. Raises Unanswered.

        A refusal is a problem: what the journeys ask for is always allowed. Where it may not be,
        `excused` names the codes of a refusal that is an answer too: then {"refused": code}.
        """
        key = f"chaos-{secrets.token_hex(8)}" if has_key else ""
        asked = Asked(self.key, path, dict(body or {}), key, file, media_type)
        give_up_at = time.monotonic() + self._patience_s
        tries = 0
        while time.monotonic() < give_up_at:
            tries += 1
            answer = self.send(asked)
            if answer is None:
                self._pause()
                continue
            if answer.status_code in {403, 409} and _code_of(answer) in excused:
                return {"refused": _code_of(answer)}
            if not answer.is_success:
                problem = f"{path} was refused: {answer.status_code} {answer.text[:300]}"
                self._journal.complain(f"{problem} (asked {tries} times: {asked.body})")
                raise Unanswered(problem)
            self._journal.add(Acknowledged(asked, answer.status_code, answer.content, tries))
            told: dict[str, Any] = answer.json()
            return told
        raise Unanswered(f"{path} was not answered in {tries} tries")

    def send(self, asked: Asked) -> httpx.Response | None:
        """One try: a final answer, or None when it must be asked again."""
        headers = {"Authorization": f"Bearer {asked.api_key}"}
        if asked.key:
            headers["Idempotency-Key"] = asked.key
        if asked.file is None:
            return self._try("POST", asked.path, headers=headers, json=asked.body)
        form = {name: str(value) for name, value in asked.body.items()}
        files = {"file": ("file", asked.file, asked.media_type)}
        return self._try("POST", asked.path, headers=headers, data=form, files=files)

    def fetch(self, path: str) -> bytes:
        """What is at `path`, where handing it out changes something. Raises Unanswered."""
        give_up_at = time.monotonic() + self._patience_s
        while time.monotonic() < give_up_at:
            answer = self._try("GET", path, headers={"Authorization": f"Bearer {self.key}"})
            if answer is not None and answer.is_success:
                asked = Asked(self.key, path, {})
                self._journal.add(Acknowledged(asked, answer.status_code, answer.content, 1))
                return answer.content
            if answer is not None:
                raise Unanswered(f"{path} answered {answer.status_code} {answer.text[:300]}")
            self._pause()
        raise Unanswered(f"{path} was not handed out")

    def read(self, path: str) -> dict[str, Any] | None:
        """The answer to a question, or None when nobody could answer now."""
        answer = self._try("GET", path, headers={"Authorization": f"Bearer {self.key}"})
        if answer is None:
            return None
        if not answer.is_success:
            raise Unanswered(f"{path} answered {answer.status_code} {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found

    def read_until(
        self, path: str, holds: Callable[[dict[str, Any]], bool], what: str
    ) -> dict[str, Any]:
        """What is at `path` once it holds. Raises Unanswered."""
        give_up_at = time.monotonic() + self._patience_s
        while time.monotonic() < give_up_at:
            found = self.read(path)
            if found is not None and holds(found):
                return found
            self._pause()
        raise Unanswered(f"{what} did not happen at {path}")

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _try(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            self._journal.note(type(error).__name__)
            return None
        self._journal.note(str(answer.status_code))
        if answer.status_code == 500:
            # Nothing that dies around it may break the code.
            self._journal.complain(f"{method} {path} answered 500: {answer.text[:300]}")
        if answer.status_code >= 500 or answer.status_code == 429 or _is_passing(answer):
            return None
        return answer

    def _pause(self) -> None:
        time.sleep(self._chance.uniform(*_ASK_AGAIN_AFTER_S))


def _is_passing(answer: httpx.Response) -> bool:
    return answer.status_code == 409 and _code_of(answer) in _PASSING_CODES


def _code_of(answer: httpx.Response) -> str:
    try:
        return str(json.loads(answer.content)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""
