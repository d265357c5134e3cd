"""One id from the web through the task to the trail, and another from the webhook to its end."""

from typing import Any

import pytest
from celery import current_app

from tests.house import House, ok, photo, photo_milestone

pytestmark = pytest.mark.flow


class _Bells:
    """What was rung, with what went along."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rung: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

        def ring(task: Any, args: Any = None, kwargs: Any = None, **options: Any) -> None:
            self.rung.append((task.name, tuple(args or ()), dict(options.get("headers") or {})))

        monkeypatch.setattr("celery.app.task.Task.apply_async", ring)

    def answer(self) -> None:
        """Run what was rung, as a worker does that got the message."""
        while self.rung:
            name, arguments, headers = self.rung.pop(0)
            task = current_app.tasks[name]
            task.push_request(**headers)
            try:
                task(*arguments)
            finally:
                task.pop_request()


def test_an_id_goes_from_the_request_through_task_and_webhook_into_the_trail(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)
    bells = _Bells(monkeypatch)
    monkeypatch.setattr(house, "doorbells", bells)
    send = house.provider.api.post

    def named(path: str, **options: Any) -> Any:
        return send(path, headers={"X-Request-ID": "site-photo-1"}, **options)

    monkeypatch.setattr(house.provider.api, "post", named)
    answer = house.send_photo(escrow_id, 1, photo())
    ok(answer, 201)
    assert answer.headers["X-Request-ID"] == "site-photo-1"
    assert {"kobatela_request_id": "site-photo-1"} in [headers for *_, headers in bells.rung]

    bells.answer()
    headers, body = house.psp.reports.get(timeout=20)
    signed = {name: value for name, value in headers.items() if name.startswith("X-PSP")}
    taken = house.support.api.post(
        "/psp/webhook", data=body, headers={**signed, "X-Request-ID": "psp-report-1"}
    )
    ok(taken)
    bells.answer()

    under = {entry["action"]: entry["request_id"] for entry in house.entries(escrow_id)}
    assert under["proof.submitted"] == under["payment.requested"] == "site-photo-1"
    assert under["payment.sent"] == "site-photo-1"
    assert under["payment.settled"] == "psp-report-1"
