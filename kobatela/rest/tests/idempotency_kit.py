"""The 26 cases that every endpoint with an Idempotency-Key must pass, as a kit.

A test describes its endpoint as a `Scenario`, freshly for each case, and runs the cases that
apply to it:

    @pytest.mark.parametrize("case", cases_for(required=True), ids=str)
    def test_the_deposit_keeps_the_idempotency_rules(case, ...):
        case.run(deposit_scenario())

Cases with `commits` need a test whose transactions are real (`transaction=True`).
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

from django.db import connection, connections

from kobatela.kernel import clock
from kobatela.rest import idempotency
from kobatela.rest.models import IdempotencyRecord
from kobatela.rest.tests.client import Answer, Api
from kobatela.rest.viewsets import KobatelaViewSet

CLIENTS = 32


@dataclass(frozen=True)
class Request:
    """A request; `body` goes as JSON, or as a form when there are `files`."""

    path: str
    body: Mapping[str, Any]
    method: str = "POST"
    files: Callable[[], Mapping[str, Any]] | None = None

    def send(self, api: Api, key: str | None, **options: Any) -> Answer:
        """Send it with an Idempotency-Key."""
        if self.files is not None:
            options |= {"files": self.files(), "fields": self.body}
        else:
            options |= {"json": self.body}
        return api.send(self.method, self.path, idempotency_key=key, **options)


@dataclass(frozen=True)
class Scenario:
    """One endpoint and how to use it. What an endpoint cannot show stays None.

    request: succeeds once. changed: the same endpoint, another meaning, would succeed too.
    invalid: refused by field validation. refused: refused by the domain (409 or 422).
    elsewhere: another path of the same caller. stranger: another caller's own good request.
    rotated: another key of the same user. wrong_scope: a key that the gate refuses.
    revoke: stops `api`'s key. secrets: fields of the answer that are shown once.
    effects: how many effects there are by now, counted over everything that may happen twice;
    `one_effect` and `refusal_effect`: how many of them the request and its refusal leave.
    """

    api: Api
    request: Request
    success: int
    effects: Callable[[], int]
    changed: Request | None = None
    invalid: Request | None = None
    refused: Request | None = None
    elsewhere: Request | None = None
    stranger: tuple[Api, Request] | None = None
    rotated: Api | None = None
    wrong_scope: Api | None = None
    revoke: Callable[[], None] | None = None
    other_file: Request | None = None
    secrets: frozenset[str] = frozenset()
    one_effect: int = 1
    refusal_effect: int = 0

    def send(self, key: str | None, request: Request | None = None, **options: Any) -> Answer:
        """The request (or another) from the scenario's own key."""
        return (request or self.request).send(self.api, key, **options)


@dataclass(frozen=True)
class Case:
    """One of the 26. `needs` names what a scenario must offer for it."""

    number: int
    name: str
    run: Callable[[Scenario], None]
    needs: frozenset[str] = field(default_factory=frozenset)
    commits: bool = False
    for_required: bool | None = None

    def __str__(self) -> str:
        return f"{self.number:02d}-{self.name}"


CASES: list[Case] = []


def cases_for(*, required: bool, commits: bool, lacks: str = "") -> list[Case]:
    """The cases for an endpoint whose key is required or optional.

    lacks: what its scenario does not offer, by the names of `needs`.
    """
    missing = frozenset(lacks.split())
    return [
        case
        for case in CASES
        if case.commits == commits
        and case.for_required in {None, required}
        and not case.needs & missing
    ]


def _case(
    number: int, *, needs: str = "", commits: bool = False, for_required: bool | None = None
) -> Callable[[Callable[[Scenario], None]], Callable[[Scenario], None]]:
    def register(run: Callable[[Scenario], None]) -> Callable[[Scenario], None]:
        name = run.__name__.replace("_", "-")
        CASES.append(Case(number, name, run, frozenset(needs.split()), commits, for_required))
        return run

    return register


def same(first: Answer, second: Answer, secrets: frozenset[str] = frozenset()) -> None:
    """`second` is the replay of `first`, byte for byte but for secrets."""
    assert second.status == first.status
    assert second.headers.get("Idempotent-Replayed") == "true"
    assert "Idempotent-Replayed" not in first.headers
    if secrets:
        assert second.json == first.json | dict.fromkeys(secrets)
    else:
        assert second.body == first.body


@_case(1, for_required=True)
def without_a_key_it_is_refused(scenario: Scenario) -> None:
    before = scenario.effects()
    answer = scenario.send(None)
    assert (answer.status, answer.code) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    assert scenario.effects() == before


@_case(2, for_required=False)
def without_a_key_it_runs_where_none_is_needed(scenario: Scenario) -> None:
    before = scenario.effects()
    answer = scenario.send(None)
    assert answer.status == scenario.success
    assert scenario.effects() == before + scenario.one_effect


@_case(3)
def a_key_of_another_form_is_refused(scenario: Scenario) -> None:
    before = scenario.effects()
    for key in (
        "",
        " ",
        '""',
        '"',
        "a" * 256,
        "a b",
        "a,b",
        "a/b",
        "é",
        "ключ",
        "a\tb",
        '"a',
        "a'",
    ):
        answer = scenario.send(key)
        assert answer.status == 400, key
        assert answer.code in {"IDEMPOTENCY_KEY_INVALID", "IDEMPOTENCY_KEY_REQUIRED"}
    assert scenario.effects() == before


@_case(4)
def a_quoted_key_is_the_bare_key(scenario: Scenario) -> None:
    first = scenario.send('"order-1"')
    same(first, scenario.send("order-1"), scenario.secrets)


@_case(5)
def the_first_request_runs(scenario: Scenario) -> None:
    before = scenario.effects()
    answer = scenario.send("a" * 255)
    assert answer.status == scenario.success
    assert scenario.effects() == before + scenario.one_effect


@_case(6)
def a_retry_gets_the_same_bytes(scenario: Scenario) -> None:
    before = scenario.effects()
    first = scenario.send("key")
    same(first, scenario.send("key"), scenario.secrets)
    same(first, scenario.send("key"), scenario.secrets)
    assert scenario.effects() == before + scenario.one_effect


@_case(7, needs="refused")
def a_retry_after_a_refusal_of_the_domain_gets_the_same_refusal(scenario: Scenario) -> None:
    before = scenario.effects()
    first = scenario.send("key", scenario.refused)
    assert first.status in {409, 422}
    same(first, scenario.send("key", scenario.refused))
    assert scenario.effects() == before + scenario.refusal_effect


@_case(8, needs="invalid")
def a_retry_after_field_validation_runs(scenario: Scenario) -> None:
    refused = scenario.send("key", scenario.invalid)
    assert (refused.status, refused.code) == (422, "VALIDATION_ERROR")
    broken = scenario.api.send(
        scenario.request.method, scenario.request.path, data=b'{"a":', idempotency_key="key"
    )
    assert broken.status in {400, 415}
    assert scenario.send("key").status == scenario.success


@_case(9, needs="wrong_scope")
def a_retry_after_the_gates_runs(scenario: Scenario) -> None:
    assert scenario.wrong_scope is not None
    assert scenario.request.send(Api("unknown"), "key").status == 401
    assert scenario.request.send(scenario.wrong_scope, "key").status == 403
    assert scenario.send("key").status == scenario.success


@_case(10)
def a_retry_after_our_own_failure_runs_once(scenario: Scenario) -> None:
    before = scenario.effects()
    with patch.object(idempotency, "keep", side_effect=RuntimeError("a defect after the work")):
        failed = scenario.send("key")
    assert (failed.status, failed.code) == (500, "INTERNAL_ERROR")
    assert scenario.effects() == before
    assert scenario.send("key").status == scenario.success
    assert scenario.effects() == before + scenario.one_effect


@_case(11, needs="changed")
def another_request_under_the_key_is_refused(scenario: Scenario) -> None:
    first = scenario.send("key")
    after = scenario.effects()
    answer = scenario.send("key", scenario.changed)
    assert (answer.status, answer.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert scenario.effects() == after
    same(first, scenario.send("key"), scenario.secrets)


@_case(12, needs="json")
def the_order_of_fields_and_spaces_do_not_matter(scenario: Scenario) -> None:
    request = scenario.request
    first = scenario.send("key")
    body = dict(reversed(list(request.body.items())))
    text = ("  " + repr_json(body, spaces=True) + "\n").encode()
    second = scenario.api.send(request.method, request.path, data=text, idempotency_key="key")
    same(first, second, scenario.secrets)


@_case(13, needs="json")
def a_number_is_not_its_text_and_its_digits_do_not_matter(scenario: Scenario) -> None:
    request = scenario.request
    extra = {"unread": 100}
    texts = {
        value: repr_json({**request.body, **extra}, spaces=False).replace(
            '"unread":100', f'"unread":{value}'
        )
        for value in ("100", "100.00", "1e2", '"100"')
    }
    answers = {
        value: scenario.api.send(
            request.method, request.path, data=text.encode(), idempotency_key="key"
        )
        for value, text in texts.items()
    }
    same(answers["100"], answers["100.00"], scenario.secrets)
    same(answers["100"], answers["1e2"], scenario.secrets)
    assert answers['"100"'].code == "IDEMPOTENCY_KEY_REUSED"


@_case(14, needs="elsewhere")
def the_key_is_taken_for_every_other_path(scenario: Scenario) -> None:
    scenario.send("key")
    after = scenario.effects()
    answer = scenario.send("key", scenario.elsewhere)
    assert (answer.status, answer.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    query = Request(
        f"{scenario.request.path}?a=1",
        scenario.request.body,
        scenario.request.method,
        scenario.request.files,
    )
    assert scenario.send("key", query).code == "IDEMPOTENCY_KEY_REUSED"
    assert scenario.effects() == after


@_case(15, needs="stranger")
def another_caller_with_the_same_key_is_independent(scenario: Scenario) -> None:
    assert scenario.stranger is not None
    api, request = scenario.stranger
    before = scenario.effects()
    first = scenario.send("key")
    theirs = request.send(api, "key")
    assert theirs.status == scenario.success
    assert "Idempotent-Replayed" not in theirs.headers
    assert theirs.body != first.body or not first.body
    assert scenario.effects() == before + 2 * scenario.one_effect


@_case(16, needs="rotated")
def a_rotated_api_key_is_the_same_caller(scenario: Scenario) -> None:
    assert scenario.rotated is not None
    first = scenario.send("key")
    same(first, scenario.request.send(scenario.rotated, "key"), scenario.secrets)


@_case(17, commits=True)
def many_at_once_have_one_effect(scenario: Scenario) -> None:
    before = scenario.effects()
    answers = at_once([lambda: scenario.send("key")] * CLIENTS)
    succeeded = [answer for answer in answers if answer.status == scenario.success]
    others = [answer for answer in answers if answer.status != scenario.success]
    assert succeeded
    assert all(answer.code == "REQUEST_IN_PROGRESS" for answer in others)
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in others)
    fresh = [answer for answer in succeeded if "Idempotent-Replayed" not in answer.headers]
    assert len(fresh) == 1
    if not scenario.secrets:
        assert {answer.body for answer in succeeded} == {fresh[0].body}
    assert scenario.effects() == before + scenario.one_effect


@_case(18, needs="changed", commits=True)
def different_requests_at_once_have_one_effect(scenario: Scenario) -> None:
    before = scenario.effects()
    requests = [scenario.request, scenario.changed] * (CLIENTS // 2)
    answers = at_once([partial(scenario.send, "key", request) for request in requests])
    allowed = {"REQUEST_IN_PROGRESS", "IDEMPOTENCY_KEY_REUSED"}
    fresh = [
        answer
        for answer in answers
        if answer.status == scenario.success and "Idempotent-Replayed" not in answer.headers
    ]
    assert len(fresh) == 1
    assert all(answer.code in allowed for answer in answers if answer.status != scenario.success)
    assert scenario.effects() == before + scenario.one_effect


@_case(19, commits=True)
def a_death_before_the_commit_lets_the_retry_run(scenario: Scenario) -> None:
    before = scenario.effects()
    keep = idempotency.keep

    def die(*args: Any) -> None:
        keep(*args)
        _cut_own_connection()

    with patch.object(idempotency, "keep", die):
        failed = scenario.send("key")
    assert failed.status == 503
    assert scenario.effects() == before
    retry = scenario.send("key")
    assert retry.status == scenario.success
    assert "Idempotent-Replayed" not in retry.headers
    assert scenario.effects() == before + scenario.one_effect


@_case(20, commits=True)
def a_death_after_the_commit_lets_the_retry_replay(scenario: Scenario) -> None:
    before = scenario.effects()
    finished = KobatelaViewSet._finished
    seen: list[bytes] = []

    def die(view: KobatelaViewSet, response: Any) -> Any:
        seen.append(finished(view, response).content)  # type: ignore[attr-defined]  # bytes here
        raise RuntimeError("the process dies with the answer in its hands")

    with patch.object(KobatelaViewSet, "_finished", die):
        assert scenario.send("key").status == 500
    assert scenario.effects() == before + scenario.one_effect
    replay = scenario.send("key")
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert replay.status == scenario.success
    if not scenario.secrets:
        assert replay.body == seen[0]
    assert scenario.effects() == before + scenario.one_effect


@_case(21)
def a_client_that_did_not_wait_gets_the_answer_later(scenario: Scenario) -> None:
    # The answer is stored before the first byte leaves, so what the client heard is no matter.
    first = scenario.send("key")
    for _ in range(3):
        same(first, scenario.send("key"), scenario.secrets)


@_case(22)
def after_thirty_days_the_key_is_free_again(scenario: Scenario) -> None:
    first = scenario.send("key")
    assert first.status == scenario.success
    after = scenario.effects()
    # The answer ages alone, so that nothing else of the world comes due meanwhile.
    stored = IdempotencyRecord.objects.filter(key="key")
    (record,) = stored
    assert record.expires_at - record.created_at == timedelta(days=30)
    stored.update(expires_at=clock.now() - timedelta(seconds=1))
    later = scenario.send("key")
    assert "Idempotent-Replayed" not in later.headers
    if later.status != scenario.success:
        # The rules of the domain hold for ever: here they refuse a second effect.
        assert later.status in {404, 409, 422}
        assert scenario.effects() == after


@_case(23, needs="revoke")
def a_revoked_api_key_gets_no_replay(scenario: Scenario) -> None:
    assert scenario.revoke is not None
    scenario.send("key")
    scenario.revoke()
    answer = scenario.send("key")
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")


@_case(24)
def a_replay_does_nothing_again(scenario: Scenario) -> None:
    scenario.send("key")
    after = scenario.effects()
    with patch("django.db.transaction.on_commit") as announced:
        scenario.send("key")
    assert scenario.effects() == after
    announced.assert_not_called()


@_case(25, needs="other_file")
def a_form_is_known_by_the_bytes_of_its_file(scenario: Scenario) -> None:
    before = scenario.effects()
    first = scenario.send("key")
    same(first, scenario.send("key"), scenario.secrets)
    answer = scenario.send("key", scenario.other_file)
    assert (answer.status, answer.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert scenario.effects() == before + scenario.one_effect


@_case(26)
def a_replay_is_the_original_answer(scenario: Scenario) -> None:
    first = scenario.send("key")
    # More requests change what the first one answered about; its replay must not follow.
    scenario.send("another-key", scenario.changed)
    replay = scenario.send("key")
    same(first, replay, scenario.secrets)
    for secret in scenario.secrets:
        assert first.json[secret] is not None
        assert replay.json[secret] is None


def at_once(calls: list[Callable[[], Answer]]) -> list[Answer]:
    """Make all calls at the same moment, each with a database connection of its own."""
    barrier = threading.Barrier(len(calls))
    answers: list[Answer] = []

    def run(call: Callable[[], Answer]) -> None:
        try:
            barrier.wait(timeout=30)
            answers.append(call())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(answers) == len(calls), "every call is answered"
    return answers


def repr_json(body: Mapping[str, Any], *, spaces: bool) -> str:
    """The body as JSON text, with or without spaces."""
    import json

    return json.dumps(body, indent=3 if spaces else None, separators=None if spaces else (",", ":"))


def _cut_own_connection() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with _other_connection() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


@contextmanager
def _other_connection() -> Iterator[Any]:
    import psycopg

    parameters = connection.get_connection_params()
    wanted = ("host", "port", "user", "password", "dbname")
    given = {name: parameters[name] for name in wanted if name in parameters}
    with psycopg.connect(**given, autocommit=True) as other:
        yield other
